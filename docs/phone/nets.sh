#!/usr/bin/env bash
# The searches behind the tables of more nets and of blocks; then their files, measured.
# About six hours on two cores; stopped and started again it goes on.
#   docs/phone/nets.sh RUNS_FOLDER TFDS_DATA_DIR
set -eu
runs=$1 data=$2

search() {  # the run's name, then flags
  lottery-find --data_dir="$data" --rate=0.6 --optimizer=adam --schedule=cosine --batch_size=128 --precision=mixed_bfloat16 \
    --backend=tf_keras --noverbose --run_dir="$runs/$1" "${@:2}"
}
two="--final_sparsity=0.9,0.95"
for seed in 0 1 2; do
  search mobilenetx0.5-bangla-$seed $two --seed=$seed --model=mobilenet --width=0.5 --dataset=cmaterdb/bangla --image_size=64 --channels=3 \
    --epochs=8 --rewind=50 --learning_rate=0.003
  search mobilenetx0.5-layers-bangla-$seed $two --scope=layer --seed=$seed --model=mobilenet --width=0.5 --dataset=cmaterdb/bangla \
    --image_size=128 --channels=3 --epochs=8 --rewind=50 --learning_rate=0.003
  for block in 1 4 16; do
    search lenet-block$block-fashion-$seed $two --seed=$seed --model=lenet --block=$block --dataset=fashion_mnist --epochs=4 --rewind=200 --learning_rate=0.0012
  done
done
for model in conv4:0.5 resnet20:1 vgg19:0.25; do
  search ${model%:*}x${model#*:}-fashion-0 $two --model=${model%:*} --width=${model#*:} --dataset=fashion_mnist --train_split='train[:10%]' \
    --image_size=32 --epochs=4 --rewind=30 --learning_rate=0.002
done
search mobilenetx1-bangla-0 $two --model=mobilenet --width=1 --dataset=cmaterdb/bangla --image_size=64 --channels=3 \
  --epochs=8 --rewind=50 --learning_rate=0.003

python docs/phone/trained.py "$runs"
tickets=()
for round in 3:90 4:95; do
  for name in mobilenetx{1,0.5,0.5-layers}-bangla lenet-block{1,4,16}-fashion conv4x0.5-fashion resnet20x1-fashion vgg19x0.25-fashion; do
    tickets+=("$name-${round#*:}=$runs/$name-0/round_0${round%:*}")
  done
done
python docs/phone/measure.py --data_dir="$data" "${tickets[@]}"
python docs/phone/summary.py

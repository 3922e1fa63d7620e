#!/usr/bin/env bash
# The runs behind tables.md and saved_models: three seeds, three nets, source fashion_mnist, targets mnist and
# cmaterdb/bangla. About eight hours on one core; stopped and started again it goes on.
#   docs/results/commands.sh RUNS_FOLDER TFDS_DATA_DIR
set -eu
runs=$1 data=$2

find_ticket() {
  lottery-find --dataset=fashion_mnist --data_dir="$data" --rounds=9 --final_sparsity=0.95 --rewind=200 \
    --batch_size=128 --compare_at=0.9,0.95 --noverbose "$@"
}
transfer() {
  lottery-transfer --data_dir="$data" --channels=1 --image_size=28 --batch_size=128 \
    --controls=random,dense-scratch,dense-transferred --noverbose "$@"
}
sgd="--optimizer=sgd --learning_rate=0.1 --schedule=cosine --weight_decay=1e-4 --precision=mixed_bfloat16"
steep="--optimizer=adam --learning_rate=0.003 --schedule=cosine --precision=mixed_bfloat16"
adam="--optimizer=adam --learning_rate=0.0012 --schedule=constant --precision=float32"

mkdir -p "$runs"
[ -e "$runs/plain4.keras" ] || python docs/results/plain4.py "$runs/plain4.keras"
for seed in 0 1 2; do
  find_ticket --model=resnet8 --width=2 $sgd --epochs=2 --seed=$seed --run_dir="$runs/resnet8x2-fashion-$seed"
  find_ticket --model="$runs/plain4.keras" $steep --epochs=2 --seed=$seed --run_dir="$runs/plain4-fashion-$seed"
  find_ticket --model=lenet $adam --epochs=6 --seed=$seed --run_dir="$runs/lenet-fashion-$seed"
  conv="$sgd --seed=$seed --ticket=$runs/resnet8x2-fashion-$seed/round_07"
  transfer $conv --dataset=mnist --train_split='train[:20000]' --epochs=5 --run_dir="$runs/resnet8x2-mnist-$seed-07"
  transfer $conv --dataset=cmaterdb/bangla --epochs=20 --run_dir="$runs/resnet8x2-bangla-$seed-07"
  for epochs in 40 80; do
    transfer $conv --dataset=mnist --train_split='train[:1000]' --epochs=$epochs --run_dir="$runs/few-resnet8x2-mnist-$seed-07-$epochs"
    transfer $conv --dataset=cmaterdb/bangla --train_split='train[:1000]' --epochs=$epochs --run_dir="$runs/few-resnet8x2-bangla-$seed-07-$epochs"
  done
  sparsest="$sgd --seed=$seed --ticket=$runs/resnet8x2-fashion-$seed/round_09 --train_split=train[:1000] --epochs=40"
  transfer $sparsest --dataset=mnist --run_dir="$runs/few-resnet8x2-mnist-$seed-09-40"
  transfer $sparsest --dataset=cmaterdb/bangla --run_dir="$runs/few-resnet8x2-bangla-$seed-09-40"
  for round in 07 09; do
    plain="$steep --seed=$seed --ticket=$runs/plain4-fashion-$seed/round_$round"
    transfer $plain --dataset=mnist --train_split='train[:20000]' --epochs=5 --run_dir="$runs/plain4-mnist-$seed-$round"
    transfer $plain --dataset=cmaterdb/bangla --epochs=20 --run_dir="$runs/plain4-bangla-$seed-$round"
    lenet="$adam --seed=$seed --ticket=$runs/lenet-fashion-$seed/round_$round"
    transfer $lenet --dataset=mnist --train_split='train[:20000]' --epochs=10 --run_dir="$runs/lenet-mnist-$seed-$round"
    transfer $lenet --dataset=cmaterdb/bangla --epochs=25 --run_dir="$runs/lenet-bangla-$seed-$round"
  done
done
lottery-report --results="$(ls "$runs"/*/result.json | paste -sd,)" --output=docs/results
python docs/results/ship.py "$runs"

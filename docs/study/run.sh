#!/bin/bash
# The runs that plan.md asks for of one net, a seed at a time; what is finished is not run again.
#   docs/study/run.sh NET SEEDS DATA_DIR
# NET is resnet18 or vgg19. Rows are in runs/NET/*/rows.jsonl.
set -e
net=$1 seeds=$2 data_dir=$3

study() {  # OUTPUT FLAGFILE FLAGS...
    lottery-study --flagfile=docs/study/$2.flags --data_dir="$data_dir" --run_dir=runs/$net --output=runs/$net/$1 "${@:3}"
}

for ((upto = 1; upto <= seeds; upto++)); do
    study full $net --seeds=$upto
    study small $net-small --seeds=$upto
    if ((upto == 1)); then
        study full-longer $net --seeds=1 --controls=dense-longer
        study small-longer $net-small --seeds=1 --controls=dense-longer
        study rule $net --seeds=1 --controls= --source_controls=dense-rewound
    fi
done
if [ $net = resnet18 ]; then
    study source $net --seeds=$seeds --controls= --source_controls=reinit@0.9,gradual@0.9,random-erk@0.9
fi

#!/usr/bin/env bash
# snakedeploy 0.17.1: of a local Git repository, --tag is ignored without a word.
#
# Guess before the run: `snakedeploy deploy-workflow REPOSITORY FOLDER --tag v1` gives the config of
# the tag v1, and a module that names the repository and the tag, as it does for GitHub (Snakemake
# has `gitfile` for it).
# Seen: it gives the config of the working tree, also what was never committed, and a module whose
# snakefile is "workflow/Snakefile", which is the very file that it stands in.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q snakedeploy==0.17.1
mkdir -p "$folder/workflow/workflow" "$folder/workflow/config"
cd "$folder/workflow"
git init -q
echo 'rule all: input: []' >workflow/Snakefile
echo 'which: of the tag' >config/config.yaml
git add -A
git -c user.name=x -c user.email=x@example.org commit -q -m x
git tag v1
echo 'which: never committed' >config/config.yaml
"$folder/venv/bin/snakedeploy" deploy-workflow "$folder/workflow" "$folder/deployed" --tag v1 2>/dev/null
"$folder/venv/bin/pip" list 2>/dev/null | grep snakedeploy
cat "$folder/deployed/config/config.yaml"
grep -A1 'snakefile:' "$folder/deployed/workflow/Snakefile"
grep -q 'never committed' "$folder/deployed/config/config.yaml"
grep -q '^ *"workflow/Snakefile"' "$folder/deployed/workflow/Snakefile"
! grep -q 'v1' "$folder/deployed/workflow/Snakefile"

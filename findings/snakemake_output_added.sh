#!/usr/bin/env bash
# Snakemake 9.27.1: a rule that gained an output no longer runs again for a changed param.
#
# Guess before the run: the second Snakefile has another param and one more output, which nothing asks
# for. The param alone makes the rule run again, and so it does with both changes.
# Seen: with the param alone it runs again; with one more output as well, nothing is to be done, and
# the file stays that of the old param: an output without metadata ends the check before params.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q snakemake==9.27.1
cd "$folder"
write() { # param, further outputs
    cat > Snakefile <<SNAKEFILE
rule all:
    input: "a.txt"

rule a:
    output: "a.txt"$2
    params: value=$1
    shell: "for file in {output}; do echo {params.value} > \$file; done"
SNAKEFILE
}
run() { "$folder/venv/bin/snakemake" --cores 1 > log 2>&1 || { cat log; exit 1; }; }
seen="snakemake $("$folder/venv/bin/snakemake" --version):"
write 1 ""; run; seen+=" $(cat a.txt)"
write 2 ""; run; seen+=" $(cat a.txt)"
write 3 ', "b.txt"'; run; seen+=" $(cat a.txt)"
echo "$seen"
test "$seen" = "snakemake 9.27.1: 1 2 2"

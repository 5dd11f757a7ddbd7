# Takes: the raw files of all samples. Gives: results/inputs.tsv, a row for each series of each file,
# which is itself a sample sheet, and results/inputs_unread.tsv: what cannot be read, and why. A target
# of its own: `snakemake list_inputs …`.


rule list_inputs:
    """List each series of each file, as a sample sheet."""
    input:
        raw=all_raw,
    output:
        table="results/inputs.tsv",
        unread="results/inputs_unread.tsv",
    log:
        "results/logs/list_inputs.log",
    conda:
        "../../envs/list_inputs.yaml"
    resources:
        mem_mb=1000,
        runtime=minutes(60),
    params:
        names_and_paths=names_and_paths,
        code=code_of("list_inputs"),
    shell:
        # On standard input: 10,000 names do not fit on a command line. The log says which files are
        # not in the table.
        "printf '%s\\t%s\\n' {params.names_and_paths:q}"
        ' | python "$CLEARFIELD/scripts/list_inputs.py" --table {output.table:q} --unread {output.unread:q}'
        " > {log:q} 2>&1 && cat {log:q} >&2"

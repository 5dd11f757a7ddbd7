# Takes: the metrics of all samples. Gives: one table of them, each row ok, warn or fail, and why.


rule summarize_qc:
    """Gather the QC numbers of all samples, each judged."""
    input:
        tables=for_samples("results/qc/samples/{sample}.tsv"),
    output:
        metrics=report(
            "results/qc/metrics.tsv",
            caption="../report/metrics.rst",
            category="Metrics",
        ),
    log:
        "results/logs/summarize_qc.log",
    localrule: True
    conda:
        "../../envs/summarize_qc.yaml"
    resources:
        mem_mb=500,
        runtime=minutes(30),
    params:
        settings=json_of("summarize_qc"),
        tables=tables_read,
        code=code_of("summarize_qc"),
    shell:
        # On standard input: 10,000 names do not fit on a command line.
        "printf '%s\\n' {params.tables:q} | python \"$CLEARFIELD/scripts/summarize_qc.py\""
        ' --folder "$(dirname {input.tables[0]:q})" --metrics {output.metrics:q}'
        " --settings {params.settings:q} > {log:q} 2>&1"

# Takes: the summary and all figures. Gives: results/report/index.html, one page for the whole run.


rule report_run:
    """Make one page for the whole run."""
    input:
        metrics="results/qc/metrics.tsv",
        figures=for_samples("results/qc/{sample}.png"),
        light=RUN.light.facts,
    output:
        page=report(
            "results/report/index.html",
            caption="../report/report.rst",
            category="Page",
        ),
    log:
        "results/logs/report_run.log",
    localrule: True
    conda:
        "../../envs/report_run.yaml"
    resources:
        mem_mb=1000,
        runtime=minutes(30),
    params:
        config=json_text(RUN.settings_in_use),
        versions=VERSIONS,
        samples=RUN.told,
        light=_values.facts_path,
        code=code_of("report_run"),
    shell:
        # On standard input: 10,000 names do not fit on a command line.
        "printf '%s\\n' {params.samples:q} | python \"$CLEARFIELD/scripts/report_run.py\""
        " --metrics {input.metrics:q} --failures ''"
        ' --figures "$(dirname {input.metrics:q})" --page {output.page:q}'
        " --config {params.config:q} --versions {params.versions:q}"
        " --light {params.light:q} > {log:q} 2>&1"

# Takes: projection, its statistics, the subtracted planes and their summary.
# Gives: the figure of the sample, its planes for the page, and its metrics, a row for each time
# point and channel.


rule plot_qc:
    """Draw the QC figure of a sample and measure it."""
    input:
        projection=RUN.light.planes,
        statistics="results/projections/{sample}.json",
        subtracted="results/subtracted/{sample}.ome.tif",
        summary="results/subtracted/{sample}.json",
    output:
        figure=report(
            "results/qc/{sample}.png",
            caption="../report/figure.rst",
            category="Figures",
            labels={"sample": "{sample}"},
        ),
        table="results/qc/samples/{sample}.tsv",
        planes=directory("results/qc/planes/{sample}"),
    log:
        "results/logs/plot_qc/{sample}.log",
    priority: 30
    conda:
        "../../envs/plot_qc.yaml"
    resources:
        mem_mb=memory_of("plot_qc"),
        runtime=runtime_of("plot_qc"),
        disk_mb=disk_of("plot_qc"),
    params:
        settings=settings_of("plot_qc"),
        code=code_of("plot_qc"),
    shell:
        'python "$CLEARFIELD/scripts/plot_qc.py"'
        " --projection {input.projection:q} --statistics {input.statistics:q}"
        " --subtracted {input.subtracted:q} --summary {input.summary:q}"
        " --figure {output.figure:q} --table {output.table:q} --planes {output.planes:q}"
        " --sample {wildcards.sample:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"

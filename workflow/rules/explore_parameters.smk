# Takes: the projection of the sample that the config chooses. Gives: one sheet of it under many
# methods and sizes, and a page with sliders over them. A target of its own: `snakemake explore_parameters …`.


rule explore_parameters:
    """Draw one plane under many methods and sizes."""
    input:
        projection=RUN.light.planes.format(sample=RUN.explored),
    output:
        figure=report(
            f"results/explore/{RUN.explored}.png",
            caption="../report/explore.rst",
            category="Explore",
            labels={"sample": RUN.explored, "as": "sheet"},
        ),
        page=report(
            f"results/explore/{RUN.explored}.html",
            caption="../report/explore.rst",
            category="Explore",
            labels={"sample": RUN.explored, "as": "page"},
        ),
    log:
        f"results/logs/explore_parameters/{RUN.explored}.log",
    conda:
        "../../envs/explore_parameters.yaml"
    threads: 4
    resources:
        mem_mb=1500,
        runtime=minutes(30),
    params:
        sample=RUN.explored,
        settings=json_text(RUN.explore_settings),
        code=code_of("explore_parameters"),
    shell:
        'python "$CLEARFIELD/scripts/explore_parameters.py"'
        " --projection {input.projection:q} --figure {output.figure:q} --page {output.page:q}"
        " --sample {params.sample:q}"
        " --settings {params.settings:q} --threads {threads} > {log:q} 2>&1"

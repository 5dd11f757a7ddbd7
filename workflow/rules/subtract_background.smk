# Takes: a projection. Gives: its background-free planes, and a summary of what was done to them;
# with save_background also what was subtracted.


rule subtract_background:
    """Subtract the background of a projection."""
    input:
        projection=RUN.light.planes,
    output:
        subtracted="results/subtracted/{sample}.ome.tif",
        summary="results/subtracted/{sample}.json",
    log:
        "results/logs/subtract_background/{sample}.log",
    priority: 20
    conda:
        "../../envs/subtract_background.yaml"
    threads: threads_of
    resources:
        mem_mb=memory_of("subtract_background"),
        runtime=runtime_of("subtract_background"),
        disk_mb=disk_of("subtract_background"),
    params:
        settings=settings_of("subtract_background"),
        code=code_of("subtract_background"),
    shell:
        'python "$CLEARFIELD/scripts/subtract_background.py"'
        " --projection {input.projection:q} --sample {wildcards.sample:q}"
        " --subtracted {output.subtracted:q} --summary {output.summary:q}"
        " --settings {params.settings:q} --threads {threads} > {log:q} 2>&1"


rule save_background:
    """Write what was subtracted."""
    input:
        projection=RUN.light.planes,
    output:
        background="results/backgrounds/{sample}.ome.tif",
    log:
        "results/logs/save_background/{sample}.log",
    priority: 20
    conda:
        "../../envs/save_background.yaml"
    threads: threads_of
    resources:
        mem_mb=memory_of("save_background"),
        runtime=runtime_of("save_background"),
        disk_mb=disk_of("save_background"),
    params:
        settings=settings_of("subtract_background"),
        code=code_of("save_background"),
    shell:
        'python "$CLEARFIELD/scripts/save_background.py"'
        " --projection {input.projection:q} --sample {wildcards.sample:q}"
        " --background {output.background:q}"
        " --settings {params.settings:q} --threads {threads} > {log:q} 2>&1"

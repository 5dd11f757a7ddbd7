# Takes: the description of a stack and the raw file that it points into. Gives: its projection along Z as OME-TIFF,
# and the statistics that QC needs of the whole stack.


rule project_stack:
    """Project a stack along Z."""
    input:
        stack="results/stacks/{sample}.stack",
        raw=raw_files,
    output:
        projection="results/projections/{sample}.ome.tif",
        statistics="results/projections/{sample}.json",
    log:
        "results/logs/project_stack/{sample}.log",
    priority: 10
    conda:
        "../../envs/project_stack.yaml"
    threads: threads_of
    resources:
        mem_mb=memory_of("project_stack"),
        runtime=runtime_of("project_stack"),
        disk_mb=disk_of("project_stack"),
    params:
        source=source_of,
        settings=settings_of("project_stack"),
        code=code_of("project_stack"),
    shell:
        'python "$CLEARFIELD/scripts/project_stack.py"'
        " --stack {input.stack:q} --projection {output.projection:q}"
        " --statistics {output.statistics:q}"
        " --settings {params.settings:q} --threads {threads} > {log:q} 2>&1"

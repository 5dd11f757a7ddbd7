# Takes: the address of a sample's file on a server. Gives: results/fetched/{sample}/, which holds the
# file; temporary. Samples on this disk have no such job, and an OME-Zarr is read where it lies.


rule fetch_stack:
    """Copy a file from its server."""
    output:
        folder=temp(directory("results/fetched/{sample}")),
    log:
        "results/logs/fetch_stack/{sample}.log",
    conda:
        "../../envs/fetch_stack.yaml"
    resources:
        mem_mb=memory_of("fetch_stack"),
        runtime=runtime_of("fetch_stack"),
        disk_mb=disk_of("fetch_stack"),
    params:
        url=address_of,
        version=version_of,
        code=code_of("fetch_stack"),
    shell:
        'python "$CLEARFIELD/scripts/fetch_stack.py"'
        " --url {params.url:q} --version {params.version:q} --folder {output.folder:q}"
        " > {log:q} 2>&1"

# Takes: the address of a sample's file on a server. Gives: results/fetched/{sample}/{file}, a copy
# under its own name; temporary. Samples on this disk have no such job, and an OME-Zarr is read where
# it lies.


rule fetch_stack:
    """Copy a file from its server."""
    output:
        fetched=temp("results/fetched/{sample}/{file}"),
    log:
        "results/logs/fetch_stack/{sample}/{file}.log",
    wildcard_constraints:
        file="[^/]+",
    conda:
        "../../envs/fetch_stack.yaml"
    resources:
        mem_mb=memory_of("fetch_stack"),
        runtime=runtime_of("fetch_stack"),
        disk_mb=disk_of("fetch_stack"),
    params:
        url=raw_path,
        version=version_of,
        code=code_of("fetch_stack"),
    shell:
        'python "$CLEARFIELD/scripts/fetch_stack.py"'
        " --url {params.url:q} --version {params.version:q} --fetched {output.fetched:q}"
        " > {log:q} 2>&1"

# Takes: a sample's raw file or files. Gives: results/stacks/{sample}.stack, which says where in them
# the planes lie, or the parts that they are encoded in, in the order TCZYX; temporary.
# With load_stack.keep also results/stacks/{sample}.ome.tif, which stays.


rule load_stack:
    """Find where the planes of a raw file lie, and what they mean."""
    input:
        raw=raw_files,
    output:
        stack=temp("results/stacks/{sample}.stack"),
    log:
        "results/logs/load_stack/{sample}.log",
    conda:
        "../../envs/load_stack.yaml"
    resources:
        mem_mb=memory_of("load_stack"),
        runtime=runtime_of("load_stack"),
        disk_mb=disk_of("load_stack"),
    params:
        path=raw_path,
        fetched=raw_copy,
        version=version_of,
        settings=settings_of("load_stack"),
        code=code_of("load_stack"),
    shell:
        'python "$CLEARFIELD/scripts/load_stack.py"'
        " --path {params.path:q} --sample {wildcards.sample:q} --stack {output.stack:q}"
        " --fetched {params.fetched:q} --settings {params.settings:q} > {log:q} 2>&1"


rule keep_stack:
    """Keep a stack as an OME-TIFF."""
    input:
        stack="results/stacks/{sample}.stack",
        raw=raw_files,
    output:
        kept="results/stacks/{sample}.ome.tif",
    log:
        "results/logs/keep_stack/{sample}.log",
    priority: 10
    conda:
        "../../envs/keep_stack.yaml"
    threads: threads_of
    resources:
        mem_mb=memory_of("keep_stack"),
        runtime=runtime_of("keep_stack"),
        disk_mb=disk_of("keep_stack"),
    params:
        source=source_of,
        code=code_of("keep_stack"),
    shell:
        'python "$CLEARFIELD/scripts/keep_stack.py"'
        " --stack {input.stack:q} --kept {output.kept:q} --threads {threads} > {log:q} 2>&1"

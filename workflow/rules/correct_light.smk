# Takes: a projection, and the profile of its group or the user's. Gives: the projection as it would be
# in even light, without the camera's offset. Off by default.


rule correct_light:
    """Take the camera's offset and the light's unevenness off a projection."""
    input:
        projection="results/projections/{sample}.ome.tif",
        profile=_values.profile_of,
        dark=_values.light_dark,
    output:
        corrected="results/corrected/{sample}.ome.tif",
    log:
        "results/logs/correct_light/{sample}.log",
    priority: 20
    conda:
        "../../envs/correct_light.yaml"
    resources:
        mem_mb=memory_of("correct_light"),
        runtime=runtime_of("correct_light"),
        disk_mb=disk_of("correct_light"),
    params:
        profile=_values.profile_path,
        settings=RUN.light.correct_settings,
        code=code_of("correct_light"),
    shell:
        'python "$CLEARFIELD/scripts/correct_light.py"'
        " --projection {input.projection:q} --profile {params.profile:q}"
        " --sample {wildcards.sample:q} --corrected {output.corrected:q}"
        " --settings {params.settings:q} > {log:q} 2>&1"

# Takes: the projections of all samples of a group, or their stacks. Gives: the profile of the light that they share, a
# plane for each channel, what is known of it, and a figure; beside them
# results/light/{group}_{channel}.ome.tif, whose channels only the files know. Off by default.


rule estimate_flatfield:
    """Estimate the profile of the light that all images of a group share."""
    input:
        images=_values.light_images,
        raw=_values.light_raw,
        dark=_values.light_dark,
    output:
        profile="results/light/groups/{group}.ome.tif",
        facts="results/light/groups/{group}.json",
        figure=report(
            "results/light/{group}.png",
            caption="../report/light.rst",
            category="Light",
            labels={"group": "{group}"},
        ),
    log:
        "results/logs/estimate_flatfield/{group}.log",
    wildcard_constraints:
        group="[^/]+",
    priority: 15
    conda:
        "../../envs/estimate_flatfield.yaml"
    threads: 4
    resources:
        mem_mb=1500,
        runtime=minutes(60),
    params:
        source=_values.light_source,
        settings=RUN.light.estimate_settings,
        code=code_of("estimate_flatfield"),
    shell:
        # On standard input: 10,000 names do not fit on a command line.
        "printf '%s\\n' {input.images:q} | python \"$CLEARFIELD/scripts/estimate_flatfield.py\""
        " --profile {output.profile:q} --facts {output.facts:q} --figure {output.figure:q}"
        ' --folder "$(dirname {output.figure:q})" --group {wildcards.group:q}'
        " --settings {params.settings:q} --threads {threads} > {log:q} 2>&1"

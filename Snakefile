# z-stacks in, background-free projections and QC figures out:
# load_stack → project_stack → subtract_background → plot_qc, then one summary of all samples.
from snakemake.utils import min_version

min_version("9.0")


configfile: workflow.source_path("config/config.yaml")


wildcard_constraints:
    sample="[^/]+",


include: "workflow/rules/common.smk"
include: "workflow/rules/load_stack.smk"
include: "workflow/rules/project_stack.smk"
include: "workflow/rules/subtract_background.smk"
include: "workflow/rules/plot_qc.smk"
include: "workflow/rules/summarize_qc.smk"
include: "workflow/rules/report_run.smk"
include: "workflow/rules/list_inputs.smk"
include: "workflow/rules/explore_parameters.smk"


rule all:
    """Make everything that the config asks for."""
    default_target: True
    input:
        for_samples("results/projections/{sample}.ome.tif"),
        for_samples("results/subtracted/{sample}.ome.tif"),
        for_samples("results/qc/{sample}.png"),
        for_samples("results/stacks/{sample}.ome.tif", "load_stack", "keep"),
        for_samples(
            "results/backgrounds/{sample}.ome.tif",
            "subtract_background",
            "save_background",
        ),
        "results/qc/metrics.tsv",
        "results/report/index.html",

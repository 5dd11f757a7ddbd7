# z-stacks in, background-free projections and QC figures out:
# load_stack → project_stack → (estimate_flatfield → correct_light →) subtract_background → plot_qc, then one summary of all samples.
from snakemake.utils import min_version

min_version("9.20")

# Of a remote repository, Snakemake 9 would join the path of its top folder, which is empty, as a root.
if getattr(workflow.included_stack[-1], "repo", None) or getattr(
    workflow.included_stack[-1], "repo_path", None
):
    workflow.included_stack[-1].path = "./Snakefile"


configfile: workflow.source_path("config/config.yaml")


wildcard_constraints:
    sample="[^/]+",


include: "workflow/rules/common.smk"
include: "workflow/rules/fetch_stack.smk"
include: "workflow/rules/load_stack.smk"
include: "workflow/rules/project_stack.smk"
include: "workflow/rules/estimate_flatfield.smk"
include: "workflow/rules/correct_light.smk"
include: "workflow/rules/subtract_background.smk"
include: "workflow/rules/plot_qc.smk"
include: "workflow/rules/summarize_qc.smk"
include: "workflow/rules/report_run.smk"
include: "workflow/rules/list_inputs.smk"
include: "workflow/rules/explore_parameters.smk"


# As the first rule outside of includes it is the default target, unless an importer has one already.
rule all:
    """Make everything that the config asks for."""
    input:
        for_samples("results/projections/{sample}.ome.tif"),
        for_samples("results/subtracted/{sample}.ome.tif"),
        for_samples("results/qc/{sample}.png"),
        for_samples("results/qc/planes/{sample}"),
        for_samples("results/stacks/{sample}.ome.tif", "load_stack", "keep"),
        for_samples(
            "results/backgrounds/{sample}.ome.tif",
            "subtract_background",
            "save_background",
        ),
        "results/qc/metrics.tsv",
        "results/report/index.html",

"""The example of a workflow that lies in a Git repository, brought into the folder of its code."""

from contextlib import suppress
from pathlib import Path

from ..results.whole_files import replacing

EXAMPLE = "resources/example/*.tif"
"""The value of `samples` that names the example."""


def bring_example(home: object, clone: str) -> None:
    """Copy the stacks of the example out of Git, byte for byte, unless they are there.

    `workflow.source_path` would give them as text. Where they cannot be had, the config's check
    says so.

    Parameters
    ----------
    home : SourceFile
        Snakemake's word for the folder of the workflow: in a local repository, or in one of GitHub
        or the like, of which Snakemake keeps a local copy.
    clone : str
        The folder of the code.
    """
    import git  # Snakemake needs it itself, to come here

    folder = Path(clone, EXAMPLE).parent
    if folder.exists():
        return
    with suppress(AttributeError, git.GitError, OSError):
        local = getattr(home, "repo_path", None)
        repository = git.Repo(local) if local else home.hosted_repo.repo
        names = repository.git.ls_tree("--name-only", home.ref, f"{Path(EXAMPLE).parent}/")
        for name in names.splitlines():
            with replacing(Path(clone, name)) as temporary:
                temporary.write_bytes(
                    repository.git.show(
                        f"{home.ref}:{name}", stdout_as_string=False, strip_newline_in_stdout=False
                    )
                )

"""A hash of the code that a rule runs, so that its content, not its time, decides over re-runs."""

import ast
import hashlib
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

_WEB = re.compile(r"web/[\w.]+\.(js|css)")  # what a page holds beside what Python writes


@cache
def hash_code(folder: str, script: str) -> str:
    """Hash a script together with the modules of `clearfield` that it imports.

    Parameters
    ----------
    folder : str
        Of the scripts and of the package `clearfield`.
    script : str
        Name without suffix.

    Returns
    -------
    str
        16 hexadecimal digits; the same wherever the folder lies, whenever it was written.
    """
    digest = hashlib.sha256()
    for path in code_files(folder, script):
        digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()[:16]


def code_files(
    folder: str, script: str, exists: Callable[[Path], bool] = Path.is_file
) -> list[Path]:
    """List a script and the modules of `clearfield` that it imports, directly or not, anywhere.

    Of a module that imports by name (`import_module`), every string that names a module of its own
    room counts, also those in modules of that room that it imports. So does, in any module, a
    string that names a script or style of a page beside it, such as "web/page.js". `exists` tells
    whether there is a file; it may bring it there first.
    """
    package = Path(folder) / "clearfield"
    files = {Path(folder) / f"{script}.py"}
    open_files = list(files)
    while open_files:
        found = set(_imported(open_files.pop(), package, exists)) - files
        files |= found
        open_files += found
    return sorted(files)


@cache
def _imported(path: Path, package: Path, exists: Callable[[Path], bool]) -> tuple[Path, ...]:
    found = []
    inside = package in path.parents
    text = path.read_text(encoding="utf-8")
    # The package itself imports lazily what is asked of it: see `_exported`.
    by_name = "import_module(" in text and path != package / "__init__.py"
    if path.suffix != ".py":
        return ()
    for node in ast.walk(ast.parse(text)):
        if inside and isinstance(node, ast.Constant) and _WEB.fullmatch(str(node.value)):
            found += [file for file in [path.parent / node.value] if exists(file)]
            continue
        if by_name and isinstance(node, ast.Constant):
            found += _named(node, path, exists)
            continue
        if by_name and isinstance(node, ast.ImportFrom) and node.level == 1:  # a table of names
            for table in _files_of(path.parent / (node.module or ""), (), exists):
                for one in ast.walk(ast.parse(table.read_text(encoding="utf-8"))):
                    if isinstance(one, ast.Constant):
                        found += _named(one, path, exists)
        if isinstance(node, ast.Import):
            names = [(alias.name, ()) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            members = tuple(alias.name for alias in node.names)
            names = [(_absolute(node, path, package) if inside else node.module, members)]
        else:
            continue
        for name, members in names:
            parts = (name or "").split(".")
            if parts[0] == package.name:
                found += _files_of(package.joinpath(*parts[1:]), members, exists)
    return tuple(found)


def _named(node: ast.Constant, path: Path, exists: Callable[[Path], bool]) -> list[Path]:
    """Give the module beside `path` whose name a text is, if there is one."""
    text = node.value
    if not isinstance(text, str) or not text.isidentifier():
        return []
    return _files_of(path.parent / text, (), exists)


def _absolute(node: ast.ImportFrom, path: Path, package: Path) -> str | None:
    """Give the full name of the module that ``from .x import y`` names."""
    if not node.level:
        return node.module
    above = path.parents[node.level - 1].relative_to(package.parent).parts
    return ".".join([*above, *(node.module or "").split(".")]).rstrip(".")


def _files_of(target: Path, members: tuple[str, ...], exists: Callable[[Path], bool]) -> list[Path]:
    """Give the file of a module; of a package the members that are modules, else its own file."""
    module, package = target.with_suffix(".py"), target / "__init__.py"
    if target.name != "clearfield" and exists(module):
        return [module]
    if not exists(package):
        return []
    modules = {member: (target / member).with_suffix(".py") for member in members}
    found = {member: path for member, path in modules.items() if exists(path)}
    others = [member for member in members if member not in found]
    candidates = list(found.values())
    if others or not members:
        candidates += [package, *(_exported(package, member) for member in others)]
    return [path for path in candidates if exists(path)]


def _exported(package: Path, name: str) -> Path:
    """Find the module of a name that a package exports by a table of names and modules."""
    for node in ast.walk(ast.parse(package.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if isinstance(key, ast.Constant) and key.value == name:
                    module = str(getattr(value, "value", "")).replace(".", "/")
                    return (package.parent / module).with_suffix(".py")
    return package

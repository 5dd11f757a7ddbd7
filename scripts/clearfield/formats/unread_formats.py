"""Formats of microscopes that are not read here, and what turns them into one that is."""

from pathlib import Path

# Whoever has a file of these means it, also where a glob found it.
MICROSCOPES = frozenset((
    ".vsi", ".ets", ".oir", ".poir", ".sld", ".sldy", ".zvi", ".sif", ".lof", ".xlef",
    ".lei", ".ics", ".ids", ".flex",
    ".mea", ".mvd2", ".acff", ".aim", ".al3d", ".apl", ".tnb", ".afi", ".ndpi", ".ndpis", ".scn",
    ".mrxs", ".bif", ".c01", ".dib", ".cxd", ".dm2", ".dm3", ".dm4", ".fli", ".fits", ".fts",
    ".im3", ".ipl", ".ipw", ".ipm", ".klb", ".lim", ".liff", ".msr", ".obf", ".obsep", ".nrrd",
    ".nhdr", ".nii", ".mha", ".mhd", ".pic", ".pcoraw", ".spe", ".spc", ".sdt", ".top", ".xqd",
    ".xqf", ".xv", ".zfp", ".zfr", ".zpo", ".naf", ".lms", ".2fl", ".l2d", ".vms", ".vmu", ".dcm",
    ".npy", ".npz", ".avi", ".mov",
))  # fmt: skip
PICTURES = frozenset((
    ".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".jp2", ".heic", ".psd",
))  # fmt: skip
# Programs that read what Bio-Formats does not.
_OTHERS = {
    ".sldy": "open it in SlideBook and export it as OME-TIFF",
    ".mrxs": "open it in QuPath and export it as OME-TIFF",
    ".vmu": "open it in QuPath and export it as OME-TIFF",
    ".poir": "export it from the program of the microscope as .oir, and convert that with "
    "Bio-Formats, or as OME-TIFF",
    ".obsep": "export it from the program that wrote it as OME-TIFF",
    ".mha": "write it with SimpleITK: SimpleITK.WriteImage(SimpleITK.ReadImage(name), 'a.tif')",
    ".npy": "write it with tifffile: tifffile.imwrite(name, array, imagej=True, "
    'metadata={"axes": "ZYX"})',
}
_OTHERS |= {".mhd": _OTHERS[".mha"], ".npz": _OTHERS[".npy"]}
# Indexes that microscopes write beside their TIFFs, which hold the pixels.
_INDEXES = frozenset((
    ".htd", ".mlf", ".mes", ".mrf", ".wpi", ".nd", ".xdce", ".scan",
))  # fmt: skip


def what_to_do(path: str) -> str:
    """Say in half a sentence what turns a file of an unknown format into one that is read.

    Examples
    --------
    >>> what_to_do("day 1/a.vsi")
    "convert it with Bio-Formats (bfconvert 'a.vsi' 'a.ome.tiff', or in Fiji: Plugins > \
Bio-Formats > Importer, then Save as OME-TIFF), and give that"
    >>> what_to_do("plate.HTD")
    'it is an index without pixels: give the folder or a glob of the TIFF files that lie beside it'
    """
    name, suffix = Path(path).name, Path(path).suffix.lower()
    if suffix in _INDEXES:
        return (
            "it is an index without pixels: give the folder or a glob of the TIFF files that lie "
            "beside it"
        )
    if suffix in _OTHERS:
        return _OTHERS[suffix]
    if suffix in MICROSCOPES:
        return (
            f"convert it with Bio-Formats (bfconvert '{name}' '{Path(path).stem}.ome.tiff', or in "
            "Fiji: Plugins > Bio-Formats > Importer, then Save as OME-TIFF), and give that"
        )
    if suffix in PICTURES:
        return "take it out of the samples, or where it is raw data save it as TIFF in Fiji"
    return (
        "take it out of the samples, or where it is an image convert it with Bio-Formats "
        f"(bfconvert '{name}' '{Path(path).stem}.ome.tiff') or Fiji"
    )

"""By which suffix, and by which first bytes, a file is a picture or a video. Imports nothing heavy."""

from __future__ import annotations

from pathlib import Path

PICTURE_SUFFIXES = frozenset(
    {".png", ".apng", ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".bmp", ".dib", ".webp", ".gif", ".avif", ".avifs",
     ".heic", ".heif", ".hif", ".heics", ".heifs", ".jp2", ".j2k", ".jpx", ".tif", ".tiff", ".ppm", ".pgm", ".pbm",
     ".pnm", ".pfm", ".exr", ".hdr", ".ico", ".tga", ".pcx", ".sgi", ".dds",
     ".qoi", ".ras"}
)  # fmt: skip
VIDEO_SUFFIXES = frozenset(
    {".mp4", ".mkv", ".webm", ".mov", ".avi", ".m4v", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts", ".wmv", ".flv", ".ogv",
     ".3gp", ".mxf", ".vob", ".y4m"}
)  # fmt: skip
# What cameras write before anybody has developed it: TIFF or MP4 inside, of which the first picture is a small preview.
RAW_SUFFIXES = frozenset(
    {".dng", ".cr2", ".cr3", ".nef", ".nrw", ".arw", ".sr2", ".orf", ".rw2", ".raf", ".pef", ".srw", ".3fr", ".iiq"}
)
CONCATENATED_SUFFIXES = frozenset({".mjpeg", ".mjpg", ".mjpegs"})  # JPEGs one behind the other are a video

# ISO/IEC 23008-12 and the AVIF specification: what the file type box says first.
_HEIF_SEQUENCES = frozenset({b"hevc", b"hevx", b"hevm", b"hevs", b"msf1"})  # a track of frames, as in any MP4
_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"mif1"}) | _HEIF_SEQUENCES
_AVIF_BRANDS = frozenset({b"avif", b"avis"})
# Of what holds floating-point levels and nothing else: OpenEXR, Radiance HDR, PFM.
_FLOAT_BEGINNINGS = (b"v/1\x01", b"#?RADIANCE", b"#?RGBE", b"PF\n", b"Pf\n")
_BEGINNINGS = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a", b"II*\0", b"MM\0*",
               b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51", b"DDS ", b"qoif",
               b"\x01\xda", b"\x59\xa6\x6a\x95", *_FLOAT_BEGINNINGS)  # fmt: skip


def brand_of(data: bytes) -> str | None:
    """By how a file begins, "HEIF" or "AVIF"; None for all others."""
    if data[4:8] != b"ftyp":
        return None
    brands = {data[8:12], *(data[at : at + 4] for at in range(16, min(int.from_bytes(data[:4]), len(data), 128), 4))}
    if data[8:12] in _AVIF_BRANDS or (data[8:12] in (b"mif1", b"msf1") and brands & _AVIF_BRANDS):
        return "AVIF"
    return "HEIF" if data[8:12] in _HEIF_BRANDS else None


def is_picture(path: Path) -> bool:
    """Whether a file is to be read as a picture: by how it begins, whatever its name, else by its suffix."""
    suffix = path.suffix.lower()
    if suffix in CONCATENATED_SUFFIXES or _is_sequence(_beginning(path, 128)):
        return False
    return begins_like_picture(_beginning(path, 128)) or suffix in PICTURE_SUFFIXES or suffix in RAW_SUFFIXES


def begins_like_picture(start: bytes) -> bool:
    """Whether bytes are the beginning of a picture file, by its format's own mark; 128 of them are enough."""
    return bool(start.startswith(_BEGINNINGS) or brand_of(start) or (start[:4] == b"RIFF" and start[8:12] == b"WEBP"))


def may_be_float(path: Path) -> bool:
    """Whether a picture file is of a format that has floating-point levels: by how it begins, whatever its name."""
    return _beginning(path, 16).startswith((*_FLOAT_BEGINNINGS, b"II*\0", b"MM\0*"))


def is_animation(path: Path) -> bool:
    """Whether a picture file says at its beginning that it moves; a GIF is taken to.

    WebP says so in a flag of its first chunk, PNG in a chunk before its pixels, AVIF and HEIF by their brands.
    """
    start = _beginning(path, 4096)
    if start[:4] == b"RIFF" and start[8:16] == b"WEBPVP8X":
        return bool(start[20:21] and start[20] & 2)
    if start.startswith(b"\x89PNG"):
        return b"acTL" in start.partition(b"IDAT")[0]
    return start.startswith(b"GIF8") or start[4:12] == b"ftypavis" or _is_sequence(start)


def _is_sequence(start: bytes) -> bool:
    """Whether bytes begin a HEIF file whose content is a track, which FFmpeg decodes."""
    return brand_of(start) == "HEIF" and start[8:12] in _HEIF_SEQUENCES


def _beginning(path: Path, length: int) -> bytes:
    try:
        if not path.is_file():
            return b""  # reading from a pipe would block
        with open(path, "rb") as file:
            return file.read(length)
    except (OSError, ValueError):
        return b""


__all__ = [
    "CONCATENATED_SUFFIXES",
    "PICTURE_SUFFIXES",
    "RAW_SUFFIXES",
    "VIDEO_SUFFIXES",
    "begins_like_picture",
    "brand_of",
    "is_animation",
    "is_picture",
    "may_be_float",
]

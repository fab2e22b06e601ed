"""Archives are unpacked as they were packed, and cannot reach anything outside."""

from __future__ import annotations

import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.profiles import examples
from tamias import EnvironmentSetupError
from tamias.environments.builders import unpacking
from tamias.environments.builders.unpacking import unpack
from tamias.environments.cache import remove_tree

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

Member = tuple[str, str, str]
"""Kind, name, and content or target."""

_KINDS = {"link": tarfile.SYMTYPE, "same": tarfile.LNKTYPE, "pipe": tarfile.FIFOTYPE}


def _tar(path: Path, members: Sequence[Member]) -> Path:
    with tarfile.open(path, "w") as file:
        for kind, name, content in members:
            member = tarfile.TarInfo(name)
            if kind == "file":
                member.size = len(content)
                file.addfile(member, io.BytesIO(content.encode()))
            elif kind == "folder":
                member.type = tarfile.DIRTYPE
                file.addfile(member)
            else:
                member.type = _KINDS[kind]
                member.linkname = content
                file.addfile(member)
    return path


def _zip(path: Path, members: Sequence[Member]) -> Path:
    with zipfile.ZipFile(path, "w") as file:
        for kind, name, content in members:
            member = zipfile.ZipInfo(name + "/" * (kind == "folder"), (2024, 5, 6, 7, 8, 10))
            mode = {"link": stat.S_IFLNK | 0o777, "pipe": stat.S_IFIFO}.get(kind, 0)
            member.external_attr = mode << 16
            file.writestr(member, content)
    return path


def _packed(folder: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w:xz") as file:
        file.add(folder, ".")
    return archive


def test_a_tar_file_comes_out_as_it_went_in(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "bin").mkdir(parents=True)
    (tree / "bin" / "tool").write_text("#!/bin/sh")
    (tree / "bin" / "tool").chmod(0o750)
    (tree / "bin" / "alias").symlink_to("tool")
    (tree / "lib").mkdir()
    (tree / "lib64").symlink_to("lib")
    (tree / "lib" / "data").write_text("data")
    os.utime(tree / "lib" / "data", (1e9, 1e9))
    (tree / "lib" / "twin").hardlink_to(tree / "lib" / "data")
    assert unpack(_packed(tree, tmp_path / "tree.tar.xz"), tmp_path / "out") == []
    out = tmp_path / "out"
    assert os.access(out / "bin" / "tool", os.X_OK)
    assert not os.access(out / "lib" / "data", os.X_OK)
    assert (out / "bin" / "alias").readlink() == Path("tool")
    assert (out / "lib64" / "data").read_text() == (out / "lib" / "twin").read_text() == "data"
    assert (out / "lib" / "data").stat().st_mtime == 1e9


def test_a_zip_file_with_links_and_modes(tmp_path: Path) -> None:
    archive = _zip(
        tmp_path / "a.zip",
        [("folder", "lib", ""), ("file", "lib/data", "data"), ("link", "lib64", "lib")],
    )
    with zipfile.ZipFile(archive, "a") as file:
        tool = zipfile.ZipInfo("tool")
        tool.external_attr = (stat.S_IFREG | 0o755) << 16
        file.writestr(tool, "tool")
    unpack(archive, tmp_path / "out")
    assert (tmp_path / "out" / "lib64" / "data").read_text() == "data"
    assert os.access(tmp_path / "out" / "tool", os.X_OK)


ESCAPES: list[list[Member]] = [
    [("file", "/evil", "x")],
    [("file", "../evil", "x")],
    [("file", "a/../../evil", "x")],
    [("link", "out", "/etc")],
    [("link", "out", "..")],
    [("link", "out", "../../etc/passwd")],
    [("folder", "a", ""), ("link", "a/out", "../..")],
    [("link", "a", "b"), ("link", "b", "../evil")],
    # A link that was good when it was made, bent by a later one.
    [("folder", "d", ""), ("link", "d/out", "x/../.."), ("link", "d/x", ".")],
    [("pipe", "pipe", "")],
]


@pytest.mark.parametrize("pack", [_tar, _zip])
@pytest.mark.parametrize("members", ESCAPES, ids=str)
def test_nothing_leads_out(tmp_path: Path, members: list[Member], pack: object) -> None:
    archive = pack(tmp_path / "evil.archive", members)  # type: ignore[operator]
    with pytest.raises(EnvironmentSetupError, match="is not safe"):
        unpack(archive, tmp_path / "out")
    assert not (tmp_path / "evil").exists()
    assert not Path("/evil").exists()


@pytest.mark.parametrize("target", ["../evil", "/etc/passwd", "missing", "out"])
def test_hard_links_are_to_members_only(tmp_path: Path, target: str) -> None:
    members = [("link", "out", "missing"), ("same", "twin", target)]
    with pytest.raises(EnvironmentSetupError, match="which is not in the archive"):
        unpack(_tar(tmp_path / "evil.tar", members), tmp_path / "out")


def test_nothing_is_written_through_a_link(tmp_path: Path) -> None:
    members = [("file", "a/data", "old"), ("link", "b", "a/data"), ("file", "b", "new")]
    unpack(_tar(tmp_path / "a.tar", members), tmp_path / "out")
    assert (tmp_path / "out" / "a" / "data").read_text() == "old"
    assert (tmp_path / "out" / "b").read_text() == "new"


def test_a_link_to_an_interpreter_is_left_out_and_returned(tmp_path: Path) -> None:
    members = [("link", "bin/python3.12", "/opt/python/bin/python3.12")]
    (left,) = unpack(_tar(tmp_path / "venv.tar", members), tmp_path / "out")
    assert left.path == tmp_path / "out" / "bin" / "python3.12"
    assert left.target == "/opt/python/bin/python3.12"
    assert not left.path.is_symlink()


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 but not more"])
def test_what_is_no_archive_is_one_clear_error(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(EnvironmentSetupError, match="cannot be unpacked"):
        unpack(tmp_path / "a.zip", tmp_path / "out")


@pytest.mark.parametrize("name", ["a.tar", "a.zip"])
def test_a_damaged_archive_is_one_clear_error(tmp_path: Path, name: str) -> None:
    pack = _tar if name == "a.tar" else _zip
    whole = pack(tmp_path / name, [("file", "data", "x" * 5000)]).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(EnvironmentSetupError, match="cannot be unpacked"):
        unpack(tmp_path / name, tmp_path / "out")


NAMES = st.lists(st.sampled_from(["a", "b", "c", "..", "."]), min_size=1, max_size=4).map("/".join)
MEMBERS = st.lists(
    st.tuples(st.sampled_from(["file", "folder", "link", "same"]), NAMES, NAMES), max_size=7
)


@settings(max_examples=examples(150))
@given(MEMBERS)
def test_whatever_is_in_an_archive_it_stays_inside(
    tmp_path_factory: pytest.TempPathFactory, members: list[Member]
) -> None:
    place = tmp_path_factory.mktemp("any")
    archive = _tar(place / "any.tar", members)
    root = place / "one" / "two" / "out"
    root.parent.mkdir(parents=True)
    try:
        unpack(archive, root)
    except EnvironmentSetupError:
        pass
    else:
        for folder, folders, files in os.walk(root):
            for name in (*folders, *files):
                real = Path(os.path.realpath(Path(folder, name)))
                assert real == root or root in real.parents
    assert list(place.iterdir()) in ([archive, place / "one"], [place / "one", archive])
    assert list((place / "one").iterdir()) == [place / "one" / "two"]
    assert list((place / "one" / "two").iterdir()) == [root]
    remove_tree(place)


@pytest.mark.parametrize("pack", [_tar, _zip])
@pytest.mark.parametrize("name", ["x" * 300, "/".join(["d" * 200] * 30) + "/f"])
def test_names_that_are_too_long(
    tmp_path: Path, pack: Callable[[Path, Sequence[Member]], Path], name: str
) -> None:
    archive = pack(tmp_path / "long", [("file", name, "x")])
    with pytest.raises(EnvironmentSetupError, match=r"name in it cannot be used here \(File name"):
        unpack(archive, tmp_path / "out")


def test_an_archive_that_would_fill_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpacking, "_LEAST_LIMIT", 1 << 20)
    with zipfile.ZipFile(tmp_path / "bomb.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("zeros", bytes(8 << 20))
    with pytest.raises(EnvironmentSetupError, match="it has more than 100 times its size"):
        unpack(tmp_path / "bomb.zip", tmp_path / "out")
    assert (tmp_path / "out" / "zeros").stat().st_size <= 2 << 20


def test_an_archive_that_is_well_compressed(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "text.zip", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("text", b"0123456789" * (1 << 17))
    unpack(tmp_path / "text.zip", tmp_path / "out")
    assert (tmp_path / "out" / "text").stat().st_size == 10 << 17

"""Archives of skills: what is unpacked, what is refused, and sources that are archives."""

from __future__ import annotations

import io
import stat
import sys
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from tamias import AgentDefinitionError, Skills
from tamias.models.skills import archives
from tamias.models.skills.archives import UnsafeArchiveError, unpack_archive

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SKILL = "---\nname: a\ndescription: Use it.\n---\nDo it.\n"


def packed(*members: tuple[str | zipfile.ZipInfo, str]) -> io.BytesIO:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members:
            archive.writestr(name, text)
    return data


def entry(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.external_attr = mode << 16
    return info


def test_files_and_folders_are_unpacked_and_scripts_stay_executable(tmp_path: Path) -> None:
    script = entry("a/run.sh", stat.S_IFREG | 0o4755)
    unpack_archive(packed(("a/SKILL.md", SKILL), ("b/", ""), (script, "x")), tmp_path)
    assert (tmp_path / "a/SKILL.md").read_text() == SKILL
    assert (tmp_path / "b").is_dir()
    assert stat.S_IMODE((tmp_path / "a/run.sh").stat().st_mode) == 0o755
    assert not (tmp_path / "a/SKILL.md").stat().st_mode & 0o111


@pytest.mark.parametrize(
    ("member", "message"),
    [
        ("../evil", "outside of itself: ../evil"),
        ("/etc/evil", "outside of itself"),
        ("a/../../evil", "outside of itself"),
        ("..\\evil", "outside of itself"),
        (entry("link", stat.S_IFLNK | 0o777), "a link or device: link"),
        (entry("pipe", stat.S_IFIFO | 0o666), "a link or device: pipe"),
    ],
)
def test_nothing_is_written_if_one_member_is_not_safe(
    tmp_path: Path, member: str | zipfile.ZipInfo, message: str
) -> None:
    with pytest.raises(UnsafeArchiveError, match=message) as raised:
        unpack_archive(packed(("first", "x"), (member, "/etc/passwd")), tmp_path / "in")
    assert raised.value.entry == getattr(member, "filename", member)
    assert not list(tmp_path.iterdir())


def test_an_archive_that_is_too_large_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archives, "_LARGEST", 1000)
    with pytest.raises(UnsafeArchiveError, match="too large"):
        unpack_archive(packed(("a", "x" * 2000)), tmp_path)
    monkeypatch.setattr(archives, "_MOST_FILES", 1)
    with pytest.raises(UnsafeArchiveError, match="too large"):
        unpack_archive(packed(("a", ""), ("b", "")), tmp_path)


def test_an_archive_that_lies_about_a_size_is_an_error(tmp_path: Path) -> None:
    data = packed(("a", "x" * 5000)).getvalue()
    small, large = (10).to_bytes(4, "little"), (5000).to_bytes(4, "little")
    with pytest.raises(ValueError, match="cannot be read"):
        unpack_archive(io.BytesIO(data.replace(large, small)), tmp_path)


def test_what_is_no_archive_or_has_a_password_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "to").mkdir()
    with pytest.raises(ValueError, match="cannot be read"):
        unpack_archive(io.BytesIO(b"nothing"), tmp_path / "to")
    data = bytearray(packed(("a", "x")).getvalue())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + offset] |= 1  # says that it is encrypted
    with pytest.raises(ValueError, match="cannot be read"):
        unpack_archive(io.BytesIO(bytes(data)), tmp_path / "to")


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "s.zip").write_bytes(packed(("a", "x"), ("a/SKILL.md", SKILL)).getvalue())
    with pytest.raises(AgentDefinitionError, match="cannot be read"):
        Skills.from_local_dir(tmp_path / "s.zip").list_skills()


class _Server(BaseHTTPRequestHandler):
    data = b""
    moved = ""

    def do_GET(self) -> None:
        self.send_response(302 if self.moved else 200)
        if self.moved:
            self.send_header("Location", self.moved)
        self.end_headers()
        self.wfile.write(self.data)

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


@pytest.fixture
def address() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Server)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/s.zip"
    server.shutdown()
    server.server_close()
    thread.join()
    _Server.moved = ""


@pytest.mark.parametrize("target", ["http://192.0.2.1/s.zip", "file:///etc/passwd", "ftp://h/x"])
def test_an_archive_is_fetched_and_no_address_leads_elsewhere(address: str, target: str) -> None:
    _Server.data = packed(("a/SKILL.md", SKILL)).getvalue()
    made = Skills.from_url(address)
    assert made.read("a") == "Do it."
    made.close()
    _Server.moved = target
    with pytest.raises(AgentDefinitionError, match=r"must begin with https|not allowed"):
        Skills.from_url(address).list_skills()


def test_skills_of_a_package_may_be_a_zip_file_or_in_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "skills_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "s.zip").write_bytes(packed(("a/SKILL.md", SKILL)).getvalue())
    names = ("zipped_skills_of_a_test/__init__.py", "zipped_skills_of_a_test/all/a/SKILL.md")
    with zipfile.ZipFile(tmp_path / "lib.zip", "w") as archive:
        for name, text in zip(names, ("", SKILL), strict=True):
            archive.writestr(name, text)
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path / "lib.zip"), *sys.path])
    for package_name, path in (("skills_of_a_test", "s.zip"), ("zipped_skills_of_a_test", "all")):
        made = Skills.from_package(package_name, path)
        assert made.read("a") == "Do it."
        made.close()


def test_the_files_of_a_skill_are_named_without_what_a_link_leads_to(tmp_path: Path) -> None:
    (tmp_path / "a/deep").mkdir(parents=True)
    (tmp_path / "a/SKILL.md").write_text(SKILL)
    (tmp_path / "a/deep/more.md").write_text("more")
    (tmp_path / "a/link").symlink_to("/etc/passwd")
    (tmp_path / "a/folder").symlink_to("/etc")
    assert Skills.from_local_dir(tmp_path).files("a") == ["deep/more.md"]

"""The description of an environment, checked for form before anything is made.

The keys are the same in a deployment file, in the configuration (section `environment`) and behind
the flags of `tamias run`. Paths are made absolute here, starting from the folder of the file that
names them; those that begin with the name of an archive stay relative, and are resolved inside it
later.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, model_validator

from ..agent.errors import ConfigError

SUFFIXES: Final = (
    ".tar.gz",
    ".tar.bz2",
    ".tar.xz",
    ".tgz",
    ".tbz2",
    ".txz",
    ".tar",
    ".zip",
    ".whl",
)
"""The endings of the names of archives."""

_VERSION: Final = re.compile(r"\d+\.\d+(\.\d+)?")
_NAME: Final = re.compile(r"[^/\0#]+")


def _python(value: object) -> object:
    """Read a version that YAML has parsed as a number, unless a digit has been lost."""
    if isinstance(value, float):
        if len(str(value).partition(".")[2]) < 2:
            msg = f'write a version in quotes: "3.10" (without them it is the number {value})'
            raise ValueError(msg)
        return str(value)
    return value


def _item(value: object) -> object:
    """Read `PATH` or `PATH#NAME` as a mapping."""
    if isinstance(value, str):
        path, _, name = value.rpartition("#") if "#" in value else (value, "", "")
        return {"path": path, "name": name}
    return value


def _many(value: object) -> object:
    """Read a list as a tuple, which strict validation requires."""
    return tuple(value) if isinstance(value, list) else value


def _lines(value: object) -> object:
    many = _many(value)
    if isinstance(many, str) or (
        isinstance(many, tuple) and all(isinstance(line, str) for line in many)
    ):
        return many
    raise ValueError("name a file, or list requirements")


def _several(value: object) -> object:
    return (value,) if isinstance(value, (str, Mapping)) else _many(value)


def _folders(value: object) -> object:
    if isinstance(value, str):
        return tuple(part for part in value.split(os.pathsep) if part)
    return _many(value)


def _texts(value: object) -> object:
    """Read values of variables as text; a nested mapping is a name with a dot."""
    if not isinstance(value, Mapping):
        return value
    texts: dict[str, Any] = {}
    for name, content in value.items():
        if isinstance(content, Mapping):
            inner = _texts({f"{name}.{last}": text for last, text in content.items()})
            texts.update(inner if isinstance(inner, dict) else {})
        elif isinstance(content, int) and not isinstance(content, bool):
            texts[str(name)] = str(content)
        elif content is None or isinstance(content, str):
            texts[str(name)] = content
        else:
            raise ValueError(f"{name} is {content!r}: write its value in quotes, as it should be")
    return texts


class StrictModel(BaseModel):
    """A part of a file: unknown keys and values of another type are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class FileEntry(StrictModel):
    """A file, directory or archive, and its name in the environment."""

    path: str
    name: str = ""

    @model_validator(mode="before")
    @classmethod
    def _named(cls, data: Any) -> Any:
        if isinstance(data, Mapping) and isinstance(data.get("path"), str):
            path, name = data["path"], data.get("name") or _stem(data["path"])
            if not path or not isinstance(name, str) or not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is no name for {path!r}: it needs one without a slash")
            if name in {".", ".."}:
                raise ValueError(f"{name!r} is no name")
            return {**data, "name": name}
        return data


Items = Annotated[
    tuple[Annotated[FileEntry, BeforeValidator(_item)], ...], BeforeValidator(_several)
]


class EnvironmentSpec(StrictModel):
    """The description of an environment. Empty: the launcher's own."""

    python: Annotated[str, BeforeValidator(_python)] = ""
    """A version ("3.12"), a path, a name on PATH, or a path in an archive; empty for the launcher's
    version."""
    requirements: Annotated[str | tuple[str, ...], BeforeValidator(_lines)] = ()
    """A file, or the lines of one."""
    archives: Items = ()
    """Zip and tar files, each to be unpacked into a folder of its name."""
    files: Items = ()
    """Files and folders to be copied."""
    folder: str = ""
    """The working directory; empty for the launcher's."""
    pythonpath: Annotated[tuple[str, ...], BeforeValidator(_folders)] = ()
    """Folders of modules."""
    variables: Annotated[dict[str, str | None], BeforeValidator(_texts)] = {}
    """Environment variables, over the inherited ones; None removes one."""
    inherit: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    """Names of more variables to inherit from the launcher; `*` is a wildcard."""
    installer: Literal["auto", "uv", "pip"] = "auto"
    """The installer: "auto" is uv if it is on PATH, and pip otherwise."""

    @model_validator(mode="after")
    def _consistent(self) -> EnvironmentSpec:
        names = [item.name for item in (*self.archives, *self.files)]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two of the archives and files are called {name!r}")
        for name, value in self.variables.items():
            if not name or "=" in name or "\0" in name or "\0" in (value or ""):
                raise ValueError(f"variables: {name!r} cannot be an environment variable")
            if name in {"PYTHONPATH", "PYTHONHOME"}:
                raise ValueError(f"variables: {name} is worked out here; use pythonpath or python")
        for path in self.pythonpath:
            if os.pathsep in path:
                raise ValueError(f"pythonpath: {path!r} has a {os.pathsep!r} in it")
        return self

    def __bool__(self) -> bool:
        """Whether anything is asked for."""
        return self != EnvironmentSpec()

    @property
    def builds(self) -> bool:
        """Whether files have to be made, besides finding an interpreter."""
        return bool(self.requirements or self.archives or self.files)

    @property
    def is_version(self) -> bool:
        """Whether `python` is a version."""
        return bool(_VERSION.fullmatch(self.python))

    def is_inside(self, path: str) -> bool:
        """Return whether a path is in one of the archives, or is one of the files."""
        first = path.partition("/")[0]
        return any(first == item.name for item in (*self.archives, *self.files))

    def to_mapping(self) -> dict[str, Any]:
        """Return a mapping, as JSON can express it, from which `of` makes the same spec."""
        return self.model_dump(mode="json", exclude_defaults=True)

    @classmethod
    def of(
        cls, data: Mapping[str, Any], base: Path | None = None, where: str = "environment"
    ) -> EnvironmentSpec:
        """Return the spec that a mapping describes.

        Args:
            data: as in YAML.
            base: the start of relative paths; None: the working directory.
            where: the mapping's name in errors.

        Raises:
            ConfigError: an unknown key, or an invalid value.
        """
        try:
            spec = cls.model_validate(data)
        except ValidationError as error:
            raise ConfigError(_problems(error, where), hint=_known()) from None
        return spec.at(base or Path.cwd())

    def at(self, base: Path) -> EnvironmentSpec:
        """Return a copy with absolute paths; relative ones start at `base`."""

        def absolute(path: str) -> str:
            return str(base / Path(path).expanduser()) if path else ""

        def maybe_inside(path: str) -> str:
            return path if self.is_inside(path) else absolute(path)

        def moved(items: tuple[FileEntry, ...]) -> tuple[FileEntry, ...]:
            return tuple(FileEntry(path=absolute(item.path), name=item.name) for item in items)

        is_path = "/" in self.python or self.python.startswith("~")
        return self.model_copy(
            update={
                "python": maybe_inside(self.python) if is_path else self.python,
                "requirements": absolute(self.requirements)
                if isinstance(self.requirements, str)
                else self.requirements,
                "archives": moved(self.archives),
                "files": moved(self.files),
                "folder": maybe_inside(self.folder),
                "pythonpath": tuple(map(maybe_inside, self.pythonpath)),
            }
        )


def _stem(path: str) -> str:
    """Return the name of a file, without the ending of an archive."""
    name = Path(path).name
    for suffix in SUFFIXES:
        if name.lower().endswith(suffix) and len(name) > len(suffix):
            return name[: -len(suffix)]
    return name


def _problems(error: ValidationError, where: str) -> str:
    lines = []
    for problem in error.errors(include_url=False):
        path = ".".join([where, *(str(part) for part in problem["loc"] if part != "str")])
        message = problem["msg"].removeprefix("Value error, ")
        if problem["type"] == "extra_forbidden":
            message = "there is no such setting"
        lines.append(f"{path}: {message}")
    return "; ".join(dict.fromkeys(lines)) + "."


def _known() -> str:
    return "An environment has: " + ", ".join(EnvironmentSpec.model_fields) + "."

"""Maps the repository root onto the package `tamias`; everything else is in pyproject.toml.

The root directory is the package, whatever a clone of it is called, and neither of the declarative
package finders can express that: they name a package after its directory. So the rooms are searched
here and prefixed. Only rooms are packages: tests/, scripts/ and examples/ stay out of the wheel.
"""

from __future__ import annotations

from setuptools import find_packages, setup

ROOMS = ("agent", "store", "worker", "launcher")

setup(
    package_dir={"tamias": "."},
    packages=[
        "tamias",
        *(
            f"tamias.{name}"
            for name in find_packages(include=[*ROOMS, *(f"{room}.*" for room in ROOMS)])
        ),
    ],
)

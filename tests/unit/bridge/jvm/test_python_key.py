"""Keys that Java takes out in place of a Python function: the same pickles, the same key groups."""

from __future__ import annotations

import random
import shutil
import struct
import subprocess
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from support.java.settings import needs_java
from tamias.bridge.jvm.compiling import SOURCES, compiled
from tamias.bridge.jvm.jars import flink_jar
from tamias.bridge.jvm.runtime import java

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("pyflink", reason="PyFlink is not installed: it has no wheels for this Python")

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # PyFlink's own
    from pyflink.fn_execution.coders import CloudPickleCoder

pytestmark = needs_java

TRIAL = """
package tamias.flink;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.math.BigInteger;
import org.apache.flink.api.java.tuple.Tuple2;
import org.apache.flink.types.Row;

/** Takes a kind and a value in hexadecimal from each line, and prints the key of it. */
public final class Trial {
    public static void main(String[] arguments) throws Exception {
        String[] places = new String[] {"1", "0", "1"};
        String[] names = new String[] {"b", "x", ""};
        String[] failures = new String[] {"first", "second", "third"};
        PythonKey selector = new PythonKey(places, names, failures);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        String line = lines.readLine();
        boolean named = false;
        while (line != null) {
            named = !named;
            Row inner = named ? Row.withNames() : Row.withPositions(1);
            Row row = named ? Row.withNames() : Row.withPositions(2);
            if (named) {
                inner.setField("x", new Tuple2("", value(line)));
                row.setField("b", line.equals("nothing ") ? null : inner);
            } else {
                inner.setField(0, new Tuple2("", value(line)));
                row.setField(1, line.equals("nothing ") ? null : inner);
            }
            try {
                Row key = (Row) selector.getKey(row);
                byte[] pickle = (byte[]) key.getField(0);
                StringBuilder hex = new StringBuilder();
                for (int i = 0; i < pickle.length; i++) {
                    hex.append(Integer.toHexString(0x100 | pickle[i] & 0xff).substring(1));
                }
                System.out.println(key.getArity() + " " + hex);
            } catch (KeyException e) {
                System.out.println(e.getMessage());
            }
            line = lines.readLine();
        }
    }

    static Object value(String line) {
        String kind = line.substring(0, line.indexOf(' '));
        String hex = line.substring(kind.length() + 1);
        if (kind.equals("str")) {
            byte[] utf8 = new byte[hex.length() / 2];
            for (int i = 0; i < utf8.length; i++) {
                utf8[i] = (byte) Integer.parseInt(hex.substring(2 * i, 2 * i + 2), 16);
            }
            return new String(utf8, java.nio.charset.StandardCharsets.UTF_8);
        }
        if (kind.equals("bool")) {
            return Boolean.valueOf(hex);
        }
        if (kind.equals("float")) {
            return Double.valueOf(Double.longBitsToDouble(Long.parseUnsignedLong(hex, 16)));
        }
        if (kind.equals("float32")) {
            return Float.valueOf(Float.intBitsToFloat(Integer.parseUnsignedInt(hex, 16)));
        }
        if (kind.equals("int")) {
            long number = Long.parseUnsignedLong(hex, 16);
            if (number == (byte) number) {
                return Byte.valueOf((byte) number);
            }
            if (number == (short) number) {
                return Short.valueOf((short) number);
            }
            if (number == (int) number) {
                return Integer.valueOf((int) number);
            }
            return Long.valueOf(number);
        }
        return null;
    }
}
"""


@pytest.fixture(scope="module")
def jar(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The trial with the classes that it is of."""
    folder = tmp_path_factory.mktemp("sources")
    package = folder / "tamias/flink"
    package.mkdir(parents=True)
    for name in ("Bytes.java", "KeyException.java", "PythonKey.java"):
        shutil.copy(SOURCES / "tamias/flink" / name, package)
    (package / "Trial.java").write_text(TRIAL)
    return compiled("tamias/flink", [flink_jar("flink-dist")], folder)


def printed(jar: Path, lines: list[str]) -> list[str]:
    done = subprocess.run(
        [java(), "-cp", f"{flink_jar('flink-dist')}:{jar}", "tamias.flink.Trial"],
        input="".join(f"{line}\n" for line in lines),
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def line_of(value: Any) -> str:
    """The value as the trial reads it."""
    if value is None:
        return "none "
    kind = type(value).__name__
    if kind == "str":
        return f"str {value.encode().hex()}"
    if kind == "bool":
        return f"bool {str(value).lower()}"
    if kind == "float":
        return f"float {struct.pack('>d', value).hex()}"
    return f"int {value & (1 << 64) - 1:x}"


def values(rng: random.Random) -> list[Any]:
    """Values of all types of keys, those at the limits of each form of pickle among them."""
    sizes = [
        0,
        1,
        254,
        255,
        256,
        65534,
        65535,
        65536,
        65537,
        *(rng.randrange(600) for _ in range(40)),
    ]
    texts = [rng.choice(["a", "é", "中", "\U0001f600"]) * size for size in sizes]
    limits = [0, 255, 256, 65535, 65536, 2**31 - 1, 2**31, 2**39, 2**63 - 1]
    whole = [sign * n for n in limits for sign in (1, -1)] + [-(2**63), -(2**31), -(2**31) - 1]
    whole += [rng.randrange(-(2**bits), 2**bits) for bits in range(1, 64) for _ in range(4)]
    numbers = [
        0.0,
        -0.0,
        float("inf"),
        float("nan"),
        5e-324,
        *(rng.gauss(0, 1e9) for _ in range(40)),
    ]
    return [None, True, False, *texts, *whole, *numbers]


def test_the_pickle_of_a_key_is_that_of_pyflink(jar: Path) -> None:
    coder = CloudPickleCoder().get_impl()
    tried = values(random.Random(4))
    found = printed(jar, [line_of(value) for value in tried])
    for value, line in zip(tried, found, strict=True):
        pickle = coder.encode(value)[4:]  # behind its length
        assert line == f"1 {pickle.hex()}", value


def test_a_short_number_with_fractions_has_the_value_that_python_would_get(jar: Path) -> None:
    bits = struct.pack(">f", 0.1)
    (value,) = struct.unpack(">f", bits)
    pickle = CloudPickleCoder().get_impl().encode(value)[4:]
    assert printed(jar, [f"float32 {bits.hex()}"]) == [f"1 {pickle.hex()}"]


def test_a_key_within_nothing_fails_as_the_function_does(jar: Path) -> None:
    assert printed(jar, ["nothing ", "nothing "]) == ["The key function has failed: second"] * 2

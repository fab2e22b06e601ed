# Shared by the scripts here: `source "$(dirname "$0")/common.sh"`. Leaves the caller at the root.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
VENV="$ROOT/.venv"
cd "$ROOT"

section() { printf '\n== %s\n' "$*"; }

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# An environment with the package (editable) and the tools in it. Installs again only when what is to
# be installed has changed, so that a second run needs no network. $PYTHON picks the interpreter.
ensure_venv() {
    local python="${PYTHON:-python3}" stamp="$VENV/.installed" want
    command -v "$python" >/dev/null || fail "no $python here: install Python 3.10 or newer, or set PYTHON"
    if [[ ! -x "$VENV/bin/python" ]]; then
        section "Creating .venv with $("$python" --version 2>&1)"
        "$python" -m venv "$VENV" || fail "$python cannot create environments: install its venv module"
    fi
    want="$ROOT $("$VENV/bin/python" --version) $(cksum <pyproject.toml)"
    if [[ "$(cat "$stamp" 2>/dev/null)" != "$want" ]]; then
        section "Installing tamias and its tools into .venv"
        "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check -e '.[dev]' </dev/null
        printf '%s\n' "$want" >"$stamp"
    fi
}

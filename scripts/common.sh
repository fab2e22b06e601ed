# Shared by the scripts here: `source "$(dirname "$0")/common.sh"`. Leaves the caller at the root.

ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
VENV="$ROOT/.venv"
cd "$ROOT"

section() { printf '\n== %s\n' "$*"; }

fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

# Whether there are a C compiler and Python's headers, without which only the sources are tested.
can_compile() {
    command -v "${CC:-cc}" >/dev/null &&
        [[ -f "$("$VENV/bin/python" -c "import sysconfig; print(sysconfig.get_path('include'))")/Python.h" ]]
}

# ensure_venv [EXTRA...]: an environment with the package (editable) and these extras of it. What was
# installed before stays, so that scripts with other needs share the environment. Installs only when
# something is missing or pyproject.toml has changed: a second run needs no network. $PYTHON picks the
# interpreter of a new environment.
ensure_venv() {
    local python="${PYTHON:-python3}" stamp="$VENV/.installed" installed="" extras identity
    command -v "$python" >/dev/null || fail "no $python here: install Python 3.10 or newer, or set PYTHON"
    if [[ ! -x "$VENV/bin/python" ]]; then
        section "Creating .venv with $("$python" --version 2>&1)"
        "$python" -m venv "$VENV" || fail "$python cannot create environments: install its venv module"
    fi
    identity="$ROOT $("$VENV/bin/python" --version) $(cksum <pyproject.toml)"
    [[ -f "$stamp" ]] && installed="$(sed -n 2p "$stamp")"
    extras="$(printf '%s\n' $installed "$@" | sort -u | paste -sd ' ')"
    if [[ "$(cat "$stamp" 2>/dev/null)" != "$identity"$'\n'"$extras" ]]; then
        section "Installing tamias${extras:+ with ${extras// /, }} into .venv"
        "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check \
            -e ".${extras:+[${extras// /,}]}" </dev/null
        printf '%s\n%s\n' "$identity" "$extras" >"$stamp"
    fi
}

# compiled_core: sets COMPILED to a folder with tamias, compiled, which goes to the front of PYTHONPATH.
# Made by setuptools in .venv/compiled, in a folder named after a digest of all that it is made of.
compiled_core() {
    local digest
    ensure_venv lint # which has the compiler, and setuptools
    digest="$(
        { "$VENV/bin/python" --version && find . -name '*.py' -not -path './.*' -not -path './build/*' \
            -not -path './tests/*' -not -path './examples/*' -exec sha256sum {} + | sort -k 2; } | sha256sum | cut -c 1-16
    )"
    COMPILED="$VENV/compiled/$digest"
    mkdir -p "$VENV/compiled"
    (
        flock 9
        if [[ ! -d "$COMPILED" ]]; then
            TAMIAS_COMPILE=1 "$VENV/bin/python" setup.py --quiet build --build-lib "$COMPILED.new" \
                >"$VENV/compiled/log" 2>&1 || { cat "$VENV/compiled/log" >&2; fail "the core cannot be compiled"; }
            mv "$COMPILED.new" "$COMPILED"
            # The two newest stay: others may be in use for a while, but not for ever.
            ls -td "$VENV"/compiled/*/ | tail -n +3 | xargs -r rm -rf
        fi
        touch "$COMPILED"
    ) 9>"$VENV/compiled/lock" </dev/null
}

# compiled_environment [EXTRA...]: sets COMPILED to an environment with this checkout installed, compiled,
# and these extras of it: for programs that are started by others, which set no PYTHONPATH.
compiled_environment() {
    local extras
    extras="$(printf '%s\n' "$@" | paste -sd ',')"
    COMPILED="$VENV/installed"
    section "Installing this checkout, compiled, into ${COMPILED#"$ROOT"/}"
    [[ -x "$COMPILED/bin/python" ]] || "$VENV/bin/python" -m venv "$COMPILED"
    TAMIAS_COMPILE=1 "$COMPILED/bin/python" -m pip install --quiet --disable-pip-version-check \
        ".[$extras]" </dev/null
}

# With TAMIAS_CORE=compiled, all that a script starts runs on the compiled core.
use_core() {
    case "${TAMIAS_CORE:-}" in
        "" | pure) ;;
        compiled)
            compiled_core
            export PYTHONPATH="$COMPILED${PYTHONPATH:+:$PYTHONPATH}"
            ;;
        *) fail "TAMIAS_CORE is 'compiled' or 'pure', not '$TAMIAS_CORE'" ;;
    esac
}

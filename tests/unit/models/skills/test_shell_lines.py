"""Lines for a shell: what they are understood as, what is refused, and which of them may run."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from tamias.models.skills.shell_lines import read_line
from tamias.models.skills.shell_rules import CommandRules, allowed_line, is_in_folders

if TYPE_CHECKING:
    from pathlib import Path


def in_bash(line: str, folder: Path) -> str:
    done = subprocess.run(
        ["bash", "-c", line],
        cwd=folder,
        env={"HOME": "/home/h", "PATH": "/usr/bin:/bin", "V": "two  words", "E": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return f"{done.returncode} {done.stdout}"


@pytest.mark.process
@pytest.mark.parametrize(
    "line",
    [
        "echo a b",
        "echo 'a;b' \"c && d\" e\\|f g\\ h",
        'echo "a\\"b\\$V\\\\c\\`d" "it\'s" \'"\'',
        "echo a | cat | cat; echo b && echo c || echo d",
        "false || echo a && echo b",
        "echo a\necho b\n\n# no echo\necho c # end",
        "echo a &&\n\n  echo b |\n cat",
        "echo a \\\n b c\\\nd",
        'echo $V "$V" \'$V\' ${V} "${E:-none}" ${E:+some} $? x$',
        "W=3; echo $W; W=4 cat < b.txt; echo $W",
        'W="a b" X= Y=\'c\'; echo "$W$X$Y"',
        "echo *.txt '*.txt' [ab].* ?.txt a[ {a,b}c {1..3} { } {} '{a,b}' no*where",
        "echo ~ ~/x a~ '~' --x=~",
        'echo $((1 + 2 * (3 - 4))) "$((2 % 3))"',
        "echo $'a\\tb' $'it\\'s' $",
        "cat nosuch 2> /dev/null; cat nosuch 2>&1 | cat; cat nosuch &> /dev/null; echo e >&2",
        "cat <a.txt>/dev/null; cat nosuch |& cat",
        "echo é '\x01' a\rb",
        "echo if then for time ! a=b",
        "'echo' a; ec'h'o b",
        "export N=1; echo $N",
    ],
)
def test_a_line_written_anew_means_what_it_meant(tmp_path: Path, line: str) -> None:
    for name in ("a.txt", "b.txt"):
        (tmp_path / name).write_text(f"in {name}\n")
    anew = read_line(line).text
    assert in_bash(anew, tmp_path) == in_bash(line, tmp_path)
    assert in_bash(read_line(anew).text, tmp_path) == in_bash(line, tmp_path)


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "is empty"),
        ("  \n # only a comment", "is empty"),
        ("echo $(id)", "command_substitution"),
        ("echo `id`", "command_substitution"),
        ('echo "a $(id)"', "command_substitution"),
        ('echo "`id`"', "command_substitution"),
        ("echo ${E:-$(id)}", "command_substitution"),
        ("echo ${E:-`id`}", "command_substitution"),
        ("E=$(id)", "command_substitution"),
        ("echo > $(id)", "command_substitution"),
        ("a[$(id)]=1", "command_substitution"),
        ("cat <(id)", "process_substitution"),
        ("cat < <(id)", "process_substitution"),
        ("echo > >(id)", "process_substitution"),
        ("(id)", "subshell"),
        ("echo a; (id)", "subshell"),
        ("echo a (id)", "function_definition"),
        ("f() { id; }", "function_definition"),
        ("function f { id; }", "function_definition"),
        ("{ id; }", "compound_statement"),
        ("if id; then id; fi", "if_statement"),
        ("for x in a; do id; done", "for_statement"),
        ("while id; do id; done", "while_statement"),
        ("until id; do id; done", "while_statement"),
        ("case a in a) id;; esac", "case_statement"),
        ("[[ -f a ]]", "test_command"),
        ("! id", "negated_command"),
        ("time id", "keyword"),
        ("coproc id", "coprocess"),
        ("cat << EOF\n$(id)\nEOF", "heredoc_redirect"),
        ("cat <<< a", "herestring_redirect"),
        ("cat <> a", "file_redirect with <>"),
        ("id & echo a", "background_job"),
        ("id &", "background_job"),
        ("echo a >& b", "file_redirect with >&"),
        ("a=(1 2)", "array"),
        ("a+=1", "variable_assignment"),
        ("echo ${V@P}", "expansion"),
        ("echo ${!V}", "expansion"),
        ("echo ${V//a/b}", "expansion"),
        ('echo "${V:=x}"', "expansion"),
        ("echo $((V))", "arithmetic_expansion"),
        ("echo $((a[0]))", "arithmetic_expansion"),
        ("echo $((1", "arithmetic_expansion"),
        ("echo $'\\x24(id)'", "ansi_c_string"),
        ('echo $"a"', "translated_string"),
        ("echo a;; id", "syntax error"),
        ("; id", "syntax error"),
        ("id | ", "syntax error"),
        ("id && && id", "syntax error"),
        ("echo a )", "syntax error"),
        ("echo 'a", "syntax error"),
        ('echo "a', "syntax error"),
        ("echo $'a", "syntax error"),
        ("echo a\\", "syntax error"),
        ("echo >", "syntax error"),
        ("echo > | id", "syntax error"),
        ("echo a\0; id", "no text"),
        ("echo \udc80", "no text"),
        ("echo " + "a" * 60_000, "too long"),
    ],
)
def test_what_would_run_more_is_refused_by_name(line: str, why: str) -> None:
    with pytest.raises(PermissionError, match=why):
        read_line(line)


def test_a_line_of_plain_words_needs_no_shell() -> None:
    assert read_line("echo 'a b' c\\;d").plain_words == ["echo", "a b", "c;d"]
    for line in ("echo a | cat", "A=1 echo", "echo > b", "echo $A", "echo *", "echo ~"):
        assert read_line(line).plain_words is None


def refused(line: str, rules: CommandRules) -> str:
    with pytest.raises(PermissionError) as raised:
        allowed_line(line, rules)
    return str(raised.value)


@pytest.mark.parametrize(
    "line",
    [
        "rm -rf /",
        "echo a; rm b",
        "echo a\nrm b",
        "echo a | rm b",
        "A=1 rm b",
        "r''m b",
        "\\rm b",
        "'rm' b",
        "/bin/echo a",
        "./echo",
        "eval echo",
        "command rm",
        "env echo",
    ],
)
def test_each_command_of_a_line_is_allowed_by_name(line: str) -> None:
    assert "is not allowed; allowed are echo" in refused(line, CommandRules(["echo"]))


@pytest.mark.parametrize("line", ["$X a", "ec* a", "${X:-rm} a", "~/rm", "{rm,a}", "a[0]=1"])
def test_the_name_of_a_command_is_known_before_it_runs(line: str) -> None:
    assert "must be plain words" in refused(line, CommandRules(["echo", "rm"]))


@pytest.mark.parametrize(
    "name",
    "PATH LD_PRELOAD BASH_ENV ENV IFS PYTHONPATH PYTHONSTARTUP HOME PAGER GIT_SSH_COMMAND PERL5OPT"
    " NODE_OPTIONS PROMPT_COMMAND http_proxy LESSOPEN".split(),
)
def test_variables_that_say_what_programs_load_are_not_set(name: str) -> None:
    rules = CommandRules(["echo", "export"])
    for line in (f"{name}=x echo", f"{name}=x; echo", f"export {name}=x", f"export {name}"):
        assert f"{name!r} may not be set" in refused(line, rules)
    assert "may not be set" in refused("export 'A'=1", rules)
    assert "may not be set" in refused("export -f A", rules)


def test_files_in_folders_may_run_by_path_or_behind_an_interpreter(tmp_path: Path) -> None:
    folder = tmp_path / "skill"
    folder.mkdir()
    (folder / "run.py").write_text("print(1)")
    (tmp_path / "out.py").write_text("print(1)")
    (folder / "link.py").symlink_to(tmp_path / "out.py")
    (folder / "rm").write_text("")
    rules = CommandRules([], [folder], folder)
    for line in (
        "./run.py",
        f"{folder}/run.py a | ./run.py",
        "python3 run.py -c x",
        f"python3.11 {folder}/run.py",
        "bash ./run.py",
    ):
        allowed_line(line, rules)
    for line in (
        "run.py",
        "rm -rf /",  # the folder has a file with that name, and a shell another one
        "python3",
        "python3 -c 1",
        "python3 -m run.py",
        "python3 -i run.py",
        "python3 nosuch.py",
        "python3 ../out.py",
        "python3 *.py",
        "python3 link.py",
        "./link.py",
        "../out.py",
        f"{folder}",
        "xargs run.py",
    ):
        assert "is not allowed" in refused(line, rules)
    moved = rules._replace(commands=["cd"])
    assert "is not allowed" in refused("cd .. && python3 run.py", moved)
    allowed_line(f"cd .. && python3 {folder}/run.py", moved)


def test_redirections_write_no_file_that_may_run_and_no_device(tmp_path: Path) -> None:
    folder = tmp_path / "skill"
    folder.mkdir()
    (tmp_path / "link").symlink_to(folder)
    free = CommandRules(["echo", "cat"], [folder], tmp_path, has_files=True)
    allowed_line("echo a > out.txt 2>&1; cat < out.txt >> /dev/null", free)
    for target in (
        f"{folder}/run.py",
        "skill/run.py",
        "link/run.py",
        "./skill/../skill/new",
        "$X",
        "*.py",
        "/dev/tcp/127.0.0.1/80",
        "//dev/tcp/127.0.0.1/80",
        "/dev/sda",
        "/proc/self/mem",
        "/tmp/../proc/self/mem",
    ):
        for operator in (">", ">>", ">|", "&>", "2>"):
            assert "redirection" in refused(f"echo a {operator} {target}", free) or (
                "may not be" in refused(f"echo a {operator}{target}", free)
            )
    strict = CommandRules(["echo", "cat", "cd"], [], folder)
    allowed_line("cat < in.txt 2> /dev/null", strict)
    for line in ("cat < ../a", "cat < /etc/passwd", "echo > a", "cd / && cat < in.txt"):
        assert "may not be" in refused(line, strict)
    assert "may not be read or written" in refused("cat < /dev/tcp/127.0.0.1/80", free)


def test_a_path_is_in_a_folder_behind_links_only(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/out").symlink_to("/etc")
    assert is_in_folders("in/a", [tmp_path / "in"], tmp_path)
    assert is_in_folders(tmp_path / "in", [tmp_path / "in"])
    assert not is_in_folders("in/out/passwd", [tmp_path / "in"], tmp_path)
    assert not is_in_folders("inside", [tmp_path / "in"], tmp_path)
    assert not is_in_folders("a\0", [tmp_path])

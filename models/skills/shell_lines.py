"""Reading a line for a shell, as far as a model may use one; what it may not is refused by name.

A line has commands between ``|``, ``&&``, ``||``, ``;`` and line ends, with redirections, variables
and patterns of file names. What runs other commands inside of a word or around commands is refused:
substitutions, subshells, loops, functions, here documents, jobs in the background.

A line that was read is written anew, each word in quotes, before a shell gets it. So a shell never
sees what a model has written, and cannot understand it in another way than it was checked.
"""

from __future__ import annotations

import re
from itertools import takewhile
from typing import Final, NamedTuple

__all__ = ["Command", "Redirection", "ShellLine", "Word", "read_line"]

_LONGEST: Final = 50_000
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_ASSIGNED: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)\+?=")
_SIMPLE_EXPANSION: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(:[-+][A-Za-z0-9_./-]*)?|[?#@*$0-3]")
_NUMBERS: Final = re.compile(r"[0-9 +*/%()-]*")
_EXPANDED: Final = re.compile(r"\{.*(,|\.\.).*\}", re.DOTALL)
_PLAIN: Final = frozenset(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./,-*?[]{}^!"
)
_ENDS: Final = frozenset(" \t\n;&|<>()")
_ANSI: Final = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"'}
_KEYWORDS: Final = {
    "!": "negated_command",
    "[[": "test_command",
    "case": "case_statement",
    "coproc": "coprocess",
    "do": "keyword",
    "done": "keyword",
    "elif": "keyword",
    "else": "keyword",
    "esac": "keyword",
    "fi": "keyword",
    "for": "for_statement",
    "function": "function_definition",
    "if": "if_statement",
    "in": "keyword",
    "select": "for_statement",
    "then": "keyword",
    "time": "keyword",
    "until": "while_statement",
    "while": "while_statement",
    "{": "compound_statement",
    "}": "compound_statement",
}


class Word(NamedTuple):
    """One word."""

    text: str
    """How a shell gets it."""
    value: str | None
    """What it stands for, or None if only a shell knows: it has variables or patterns."""
    head: str = ""
    """Its beginning, as far as it was without quotes."""


class Redirection(NamedTuple):
    """Where a command reads from, or writes to."""

    descriptor: str
    operator: str
    target: Word

    @property
    def is_copy(self) -> bool:
        """Whether it is another descriptor's place, and no file."""
        return self.operator in (">&", "<&")


class Command(NamedTuple):
    """One command, with what is set for it."""

    assignments: tuple[tuple[str, Word], ...]
    words: tuple[Word, ...]
    redirections: tuple[Redirection, ...]

    @property
    def text(self) -> str:
        """How a shell gets it."""
        parts = [f"{name}={word.text}" for name, word in self.assignments]
        parts += [word.text for word in self.words]
        parts += [
            f"{each.descriptor}{each.operator}{each.target.text}" for each in self.redirections
        ]
        return " ".join(parts)


class ShellLine(NamedTuple):
    """Commands, and between each two what connects them."""

    commands: tuple[Command, ...]
    operators: tuple[str, ...]

    @property
    def plain_words(self) -> list[str] | None:
        """The words of its only command, if that needs no shell."""
        first = self.commands[0]
        values = [word.value for word in first.words]
        if len(self.commands) > 1 or first.assignments or first.redirections or None in values:
            return None
        return [value for value in values if value is not None]

    @property
    def text(self) -> str:
        """How a shell gets it."""
        parts = [self.commands[0].text]
        for operator, command in zip(self.operators, self.commands[1:], strict=True):
            parts += [operator, command.text]
        return " ".join(parts)


def read_line(line: str) -> ShellLine:
    """Read a line.

    Raises:
        PermissionError: it has something that is not allowed, or that is no line for a shell.
    """
    return _Reader(line).read()


def _quoted(value: str) -> str:
    # Always in quotes: a shell then takes no word for a keyword, an alias or an assignment.
    return "'" + value.replace("'", "'\"'\"'") + "'"


class _Piece(NamedTuple):
    """A part of a word: how a shell gets it, what it stands for, itself if it has no quotes."""

    text: str
    value: str | None
    bare: str = ""


class _Reader:
    """Reads one line, from its begin to its end."""

    def __init__(self, line: str) -> None:
        if len(line) > _LONGEST or "\0" in line or not _is_text(line):
            raise PermissionError("The command is too long, or it is no text.")
        self._line = line
        self._at = 0

    # -------------------------------------------------------------- commands

    def read(self) -> ShellLine:
        commands: list[Command] = []
        operators: list[str] = []  # behind each command
        while True:
            command = self._command()
            operator = self._operator()
            if command is None:
                if operator == "":
                    break
                if operator != "\n":
                    raise self._wrong()
                continue
            if operator == "|&":
                command, operator = _with_errors(command), "|"
            commands.append(command)
            operators.append(";" if operator == "\n" else operator)
        if not commands:
            raise PermissionError("The command is empty.")
        if operators.pop() not in ("", ";"):
            raise self._wrong()
        return ShellLine(tuple(commands), tuple(each or ";" for each in operators))

    def _operator(self) -> str:
        for operator in ("&&", "||", "|&", "|", ";;", ";", "\n"):
            if self._line.startswith(operator, self._at):
                self._at += len(operator)
                if operator == ";;":
                    raise self._wrong()
                if operator in ("&&", "||", "|", "|&"):
                    self._skip_blank(" \t\n")
                return operator
        if self._at < len(self._line):
            raise self._refused("background_job") if self._next() == "&" else self._wrong()
        return ""

    def _command(self) -> Command | None:
        assignments: list[tuple[str, Word]] = []
        words: list[Word] = []
        redirections: list[Redirection] = []
        while True:
            self._skip_blank(" \t")
            if self._next() == "#":
                end = self._line.find("\n", self._at)
                self._at = len(self._line) if end < 0 else end
            if self._next() in "<>" or self._line.startswith("&>", self._at):
                redirections += self._redirection("")
                continue
            if self._next() == "(":
                raise self._refused("function_definition" if words else "subshell")
            if self._next() in _ENDS:
                break
            begin = self._at
            word = self._word()
            if word.value == word.head and word.head.isdigit() and self._next() in "<>":
                redirections += self._redirection(word.head)
                continue
            assigned = None if words else _ASSIGNED.match(word.head)
            if assigned is not None:
                self._at = begin + len(assigned[0])
                if self._next() == "(":
                    raise self._refused("array")
                value = Word("''", "") if self._next() in _ENDS else self._word()
                if "+" in assigned[0]:
                    raise self._refused("variable_assignment with +=")
                assignments.append((assigned[1], value))
                continue
            if not words and word.head == word.value and word.head in _KEYWORDS:
                raise self._refused(_KEYWORDS[word.head])
            words.append(word)
        if not (assignments or words or redirections):
            return None
        return Command(tuple(assignments), tuple(words), tuple(redirections))

    def _redirection(self, descriptor: str) -> list[Redirection]:
        if self._line[self._at + 1 : self._at + 2] == "(":
            raise self._refused("process_substitution")
        for operator in ("&>>", "&>", "<<<", "<<", "<>", "<&", "<", ">>", ">&", ">|", ">"):
            if self._line.startswith(operator, self._at):
                break
        if operator in ("<<<", "<<", "<>"):
            names = {"<<<": "herestring_redirect", "<<": "heredoc_redirect"}
            raise self._refused(names.get(operator, "file_redirect with <>"))
        self._at += len(operator)
        self._skip_blank(" \t")
        if self._next() in "<>" and self._line[self._at + 1 : self._at + 2] == "(":
            raise self._refused("process_substitution")
        if self._next() in _ENDS:
            raise self._wrong()
        target = self._word()
        if operator in (">&", "<&") and not re.fullmatch(r"[0-9]+|-", target.value or ""):
            raise self._refused(f"file_redirect with {operator}")
        if operator.startswith("&"):
            one = Word("1", "1")
            return [Redirection("", operator[1:], target), Redirection("2", ">&", one)]
        return [Redirection(descriptor, operator, target)]

    # -------------------------------------------------------------- words

    def _word(self) -> Word:
        """One word; the next character is the first of it."""
        pieces: list[_Piece] = []
        while self._next() not in _ENDS:
            pieces.append(self._piece(is_first=not pieces))
        head = "".join(each.bare for each in takewhile(lambda each: each.bare, pieces))
        bare = "".join(each.bare for each in pieces)
        known = "".join(each.value or "" for each in pieces)
        is_pattern = any(char in bare for char in "*?") or ("[" in bare and "]" in bare)
        is_known = all(each.value is not None for each in pieces)
        if is_known and not is_pattern and not _EXPANDED.search(bare):
            return Word(_quoted(known), known, head)
        return Word("".join(each.text for each in pieces), None, head)

    def _piece(self, *, is_first: bool) -> _Piece:
        """The next part of a word: what is in quotes, a variable, or one character."""
        char = self._next()
        if char == "\\":
            if self._at + 1 >= len(self._line):
                raise self._wrong()
            quoted = self._line[self._at + 1].replace("\n", "")
            self._at += 2
            return _Piece(_quoted(quoted), quoted)
        if char == "'":
            quoted = self._until_quote()
            return _Piece(_quoted(quoted), quoted)
        if char == '"':
            return self._in_double_quotes()
        if char == "`":
            raise self._refused("command_substitution")
        if char == "$":
            return self._dollar(is_quoted=False)
        self._at += 1
        if char == "~" and is_first and (self._next() in _ENDS or self._next() == "/"):
            return _Piece("~", None, "~")
        return _Piece(char if char in _PLAIN else _quoted(char), char, char)

    def _until_quote(self) -> str:
        end = self._line.find("'", self._at + 1)
        if end < 0:
            raise self._wrong()
        found = self._line[self._at + 1 : end]
        self._at = end + 1
        return found

    def _in_double_quotes(self) -> _Piece:
        self._at += 1
        pieces: list[_Piece] = []
        while (char := self._next()) != '"':
            if self._at >= len(self._line):
                raise self._wrong()
            if char == "`":
                raise self._refused("command_substitution")
            if char == "$":
                pieces.append(self._dollar(is_quoted=True))
                continue
            if char == "\\" and self._line[self._at + 1 : self._at + 2] in (*'$`"\\', "\n"):
                self._at += 1
                char = self._next().replace("\n", "")
            self._at += 1
            pieces.append(_Piece(_quoted(char), char))
        self._at += 1
        is_known = all(each.value is not None for each in pieces)
        text = "".join(each.text for each in pieces) or "''"
        return _Piece(text, "".join(each.value or "" for each in pieces) if is_known else None)

    def _dollar(self, *, is_quoted: bool) -> _Piece:
        """What begins with a dollar sign: a variable, or a sum of numbers; or the sign itself."""
        rest = self._line[self._at + 1 :]
        mark = '"' if is_quoted else ""
        if rest.startswith("(("):
            end = rest.find("))")
            while rest.startswith("))", end + 1):
                end += 1
            if end < 0 or not _NUMBERS.fullmatch(rest[2:end]):
                raise self._refused("arithmetic_expansion with anything but numbers")
            self._at += end + 3
            return _Piece(f"{mark}$(({rest[2:end]})){mark}", None)
        if rest.startswith("("):
            raise self._refused("command_substitution")
        if rest.startswith("{"):
            inner = rest[1:].partition("}")[0]
            if "$(" in inner or "`" in inner:
                raise self._refused("command_substitution")
            if "}" not in rest or not _SIMPLE_EXPANSION.fullmatch(inner):
                raise self._refused("expansion with anything but a name and a value for it")
            self._at += len(inner) + 3
            return _Piece(f"{mark}${{{inner}}}{mark}", None)
        if rest.startswith("'") and not is_quoted:
            self._at += 1
            return self._ansi()
        if rest.startswith('"') and not is_quoted:
            raise self._refused("translated_string")
        named = _NAME.match(rest)
        if named is None and rest[:1] in ("?", "#", "@", "*", "$", "0", "1", "2", "3"):
            self._at += 2
            return _Piece(f"{mark}${{{rest[0]}}}{mark}", None)
        if named is None:
            self._at += 1
            return _Piece("'$'", "$")
        self._at += 1 + len(named[0])
        return _Piece(f"{mark}${{{named[0]}}}{mark}", None)

    def _ansi(self) -> _Piece:
        r"""What is between ``$'`` and ``'``, with ``\n`` and the like."""
        found: list[str] = []
        self._at += 1
        while (char := self._next()) != "'":
            if self._at >= len(self._line):
                raise self._wrong()
            self._at += 1
            if char == "\\":
                char = _ANSI.get(self._next(), "")
                if not char:
                    raise self._refused("ansi_c_string with an unusual escape")
                self._at += 1
            found.append(char)
        self._at += 1
        return _Piece(_quoted("".join(found)), "".join(found))

    # -------------------------------------------------------------- characters

    def _next(self) -> str:
        """The next character; at the end as at the end of a line."""
        return self._line[self._at] if self._at < len(self._line) else "\n"

    def _skip_blank(self, blank: str) -> None:
        while self._at < len(self._line):
            if self._line.startswith("\\\n", self._at):
                self._at += 2
            elif self._line[self._at] in blank:
                self._at += 1
            else:
                break

    def _refused(self, what: str) -> PermissionError:
        return PermissionError(
            f"Not allowed: {what}, at {self._line[self._at : self._at + 40]!r}. Use commands with"
            " words, joined by |, &&, || or ;."
        )

    def _wrong(self) -> PermissionError:
        return PermissionError(
            f"The command has a syntax error at {self._line[self._at : self._at + 40]!r}."
        )


def _with_errors(command: Command) -> Command:
    copied = Redirection("2", ">&", Word("1", "1"))
    return command._replace(redirections=(*command.redirections, copied))


def _is_text(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True

"""Python environments for workers: what a user asks for, made once, checked, found again.

`spec` is what is asked for, `provision` turns it into a `Launch`. Below them: `interpreters` (which
Pythons this machine has), `unpacking` (archives), `installing` (uv, venv and pip), `packed`
(interpreters out of archives), `layer` (what tamias brings along), `cache` (made once, never met
half-made), `checking` (does it work?), `portable` (what may not cross versions).
"""

"""Skills and the bash tool of Flink Agents: on tamias's, and as safe as these."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from .conftest import RunProgram

pytestmark = pytest.mark.process

REFUSED = "Command rejected: The command '{}' is not allowed; allowed are {}, and files in FOLDER."
FOLDER = """
    from pathlib import Path

    def write(name, body="Do it.", root="all"):
        folder = Path(root, name)
        folder.mkdir(parents=True)
        (folder / "SKILL.md").write_text(
            f"---\\nname: {name}\\ndescription: Use it for {name}.\\n---\\n{body}\\n"
        )
        return folder
"""


def test_a_manager_has_the_files_of_its_skills_and_no_others(run_program: RunProgram) -> None:
    program = (
        FOLDER
        + """
    from flink_agents.api.skills import Skills, SkillSourceSpec
    from flink_agents.runtime.skill.repository.filesystem_repository import (
        FileSystemSkillRepository,
    )
    from flink_agents.runtime.skill.skill_manager import SkillManager

    folder = write("a")
    write("outside", root="other")
    (folder / "more.md").write_text("more")
    (folder / "blob").write_bytes(b"\\xff")
    (folder / "link").symlink_to("/etc/passwd")
    repository = FileSystemSkillRepository("all")
    print(repository.get_resources("a"))
    print(repository.get_skill("../other/outside"), repository.get_resources(".."))
    with SkillManager(Skills.from_local_dir("all")) as manager:
        print(manager.get_skill("a").origin, manager.get_skill_dirs() == [str(folder.resolve())])
        print(manager.resolve_resource_path("a", "more.md") == folder.resolve() / "more.md")
        print(manager.resolve_resource_path("a", "../../other/outside/SKILL.md"))
        print(manager.generate_discovery_prompt("a").splitlines()[-1])
    skills = Skills(sources=[{"path": "all"}])
    print(skills.sources == Skills.from_local_dir("all").sources, skills.model_dump())
    """
    )
    assert run_program(program).splitlines() == [
        "{'blob': 'base64: /w==', 'more.md': 'more'}",
        "None {}",
        "local:all True",
        "True",
        "None",
        "- a: Use it for a.",
        "True {'sources': [{'scheme': 'local', 'params': {'path': 'all'}}]}",
    ]


def test_skills_of_a_source_of_ones_own_are_used_by_a_model(run_program: RunProgram) -> None:
    program = (
        FOLDER
        + """
    import asyncio
    from flink_agents.api.skills import Skills, SkillSourceSpec
    from flink_agents.runtime.skill import skill_source_registry
    from flink_agents.runtime.skill.agent_skill import AgentSkill
    from flink_agents.runtime.skill.skill_repository import SkillRepository
    from tamias.agent.skills.skill_tools import OfferedSkills

    class Mine(SkillRepository):
        def get_skill(self, name):
            return self.get_skills()[0]

        def get_skills(self):
            return [AgentSkill(name="mine", description="Mine.", content="Do mine.")]

        def get_resources(self, name):
            return {"s/run.py": "print('ran')", "b": "base64: eA==", "../evil": "x"}

    skill_source_registry.register("MINE", lambda params: Mine())
    write("a")
    skills = Skills(sources=[
        SkillSourceSpec(scheme="mine"), SkillSourceSpec(scheme="local", params={"path": "all"}),
    ])
    load, bash = OfferedSkills(["mine", "a"], [skills], ["cat"]).tools()
    print(load.call(name="a"), load.call(name="mine").splitlines()[-1])
    print(asyncio.run(bash.acall(skill="mine", command="python3 s/run.py | cat; cat b")))
    [scratch] = skills._scratch
    print(sorted(each.name for each in scratch.iterdir()), (scratch.parent / "evil").exists())
    skills.close()
    print(scratch.exists())
    """
    )
    assert run_program(program).splitlines() == [
        "Do it. Files of this skill: b, s/run.py",
        "ran",
        "x",
        "['b', 's'] False",
        "False",
    ]


def test_the_bash_tool_runs_no_more_than_is_allowed(run_program: RunProgram) -> None:
    program = (
        FOLDER
        + """
    import asyncio, os
    from flink_agents.plan.tools.bash.bash_tool import BashTool
    from flink_agents.plan.tools.bash.bash_validator import validate_command

    os.environ["API_KEY"] = "s3cret"
    folder = write("a").resolve()
    (folder / "run.py").write_text("print('ran')")
    tool = BashTool()

    def run(command, *commands, **more):
        return tool.call(
            command, allowed_commands=commands, allowed_script_dirs=[str(folder)], **more
        )

    print(run("python3 run.py", cwd=str(folder)), run("true", "true"), run("echo a | cat", "echo"))
    print(run("echo [$API_KEY]", "echo"), run("cat nosuch", "cat"))
    print(run("sleep 9", "sleep", timeout=1))
    print(run(f"echo 'print(1)' > {folder}/run.py", "echo"))
    # Whatever is asked for in the folder of a skill, it is a program of elsewhere.
    print(run("rm -rf /nosuch", cwd=str(folder)))
    print(validate_command("LD_PRELOAD=/tmp/x echo", ["echo"], []))
    print(validate_command("echo ${X@P}", ["echo"], []).split(",")[0])

    async def inside():
        return tool.call(command="echo loop", allowed_commands=["echo"])

    print(asyncio.run(inside()))
    """
    )
    said = run_program(program)
    folder = said.split("files in ")[-1].split("/all/a")[0] + "/all/a"
    assert said.replace(folder, "FOLDER").splitlines() == [
        f"ran Success {REFUSED.format('cat', 'echo')}",
        "[] Error (exit code 1): cat: nosuch: No such file or directory",
        "Error: it was killed after 1 seconds.",
        "Command rejected: FOLDER/run.py may not be written by a redirection.",
        "Command rejected: The command 'rm' is not allowed; allowed are none, and files in FOLDER.",
        "The variable 'LD_PRELOAD' may not be set.",
        "Not allowed: expansion with anything but a name and a value for it",
        "loop",
    ]


def test_a_tool_tells_what_there_is_and_what_traces_say(run_program: RunProgram) -> None:
    program = (
        FOLDER
        + """
    from flink_agents.api.resource import ResourceType
    from flink_agents.api.skills import Skills
    from flink_agents.plan.agent_plan import SKILLS_CONFIG
    from flink_agents.runtime.resource_context import ResourceContextImpl
    from flink_agents.runtime.skill.skill_tools import LoadSkillTool

    class Cache(dict):
        def has(self, name, kind):
            return (name, kind) in self

        def get_resource(self, name, kind):
            return self[name, kind]

    write("a")
    none = ResourceContextImpl(Cache())
    print(none.get_skill_dirs(), repr(none.generate_available_skills_prompt("a")))
    print(LoadSkillTool(resource_context=none).call("a"))
    kind = ResourceType.SKILLS
    context = ResourceContextImpl(Cache({(SKILLS_CONFIG, kind): Skills.from_local_dir("all")}))
    tool = LoadSkillTool(resource_context=context)
    print(tool.call("b"))
    print(tool.call("a", "b"))
    print(tool.call("a").splitlines()[:2])
    print(dict(tool.get_tool_execution_metadata({"name": "a"})))
    context.close()
    """
    )
    assert run_program(program, "0.4").splitlines() == [
        "[] ''",
        "Skills are not available: the agent has none.",
        "Skill 'b' not found. Available skills: a.",
        "File 'b' not found. Files of skill 'a': none.",
        "['<skill_content name=\"a\">', 'Do it.']",
        "{'skillName': 'a', 'skillResourcePath': 'SKILL.md'}",
    ]

"""What the page of the sandbox says is what the sandbox does."""

import dataclasses
import re
from pathlib import Path

import msgspec
import pytest

from migrator.sandbox import plan
from migrator.sandbox.inspection import Inspection
from migrator.sandbox.page.routes import Page
from migrator.sandbox.plan import Plan
from migrator.sandbox.platform import Platform, operations
from migrator.sandbox.webhooks.parts import WebhookParts

PAGE = (Path(plan.__file__).parent / "README.md").read_text()
RULES = plan.AnyRule.__args__


def unopened(parts, **given):
    """The parts of a sandbox that is not there: enough to tell its routes."""
    return parts(**dict.fromkeys(one.name for one in dataclasses.fields(parts)) | given)


@pytest.fixture(scope="module")
def implemented():
    routes = unopened(Platform, webhooks=unopened(WebhookParts)).routes()
    own = [*Inspection(*[None] * 5).routes(), *Page(*[None] * 6).routes()]
    return operations(routes), operations(own)


def listed(there):
    table = PAGE.split("<!-- operations: begin -->")[1].split("<!-- operations: end -->")[0]
    return set(re.findall(rf"^\| `(\w+ [^`]+)` \| {there} \|", table, re.MULTILINE))


def test_the_table_lists_exactly_the_operations_that_are_there(implemented):
    published, own = implemented
    assert listed("yes") == published
    assert listed("our own") == own


def test_each_fault_stands_on_the_page_with_its_own_fields():
    faults = PAGE.split("| `fault` | fields |")[1]
    table = dict(re.findall(r"^\| `(\w+)` \|(.*?)\| [^|]+\|$", faults, re.MULTILINE))
    common = set(plan.Rule.__struct_fields__)
    said = {fault: set(re.findall(r"`(\w+)`", fields)) for fault, fields in table.items()}
    assert said == {
        rule.__struct_config__.tag: set(rule.__struct_fields__) - common for rule in RULES
    }


def test_the_plan_on_the_page_is_one(tmp_path, implemented):
    [text] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    path = tmp_path / "plan.toml"
    path.write_text(text)
    given = plan.from_toml(path, implemented[0])
    assert len(given.rules) == 2
    assert msgspec.convert(msgspec.to_builtins(given), Plan) == given

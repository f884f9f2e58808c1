"""What videos are called: by templates, cut where the platform would refuse, and told."""

import re
from dataclasses import replace

import pytest

from migrator.checkpoint.store import Checkpoint
from migrator.engine.inputs import check_inputs, open_inputs
from migrator.errors import CheckpointError, UsageError
from migrator.settings import NamingSettings


def naming(bench, **settings):
    inputs = replace(bench.settings.inputs, naming=NamingSettings(**settings))
    bench.settings = replace(bench.settings, inputs=inputs)


def asked(bench):
    return {body["objectKey"]: body for body in bench.platform.bodies}


async def test_templates_are_filled_from_the_key_and_the_columns_of_the_manifest(bench):
    lines = ["bucket,a/b/film.en.mp4,v,7,Ours,", "bucket,plain,,8,,own.mov"]
    bench.manifest(header="bucket,key,tape,asset id,name,file_name", lines=lines)
    naming(
        bench,
        name_template="{row}: {stem} of {dirname} ({asset id}, {tape})",
        description_template="{{{bucket}}} {key}",
        file_name_template="{asset id}/{name}",
    )
    await bench.run()
    film, plain = asked(bench)["a/b/film.en.mp4"], asked(bench)["plain"]
    assert film["name"] == "1: film.en of a/b (7, v)"
    assert film["description"].startswith("{bucket} a/b/film.en.mp4 [mig1:")
    assert film["fileName"] == "7_film.en.mp4"
    assert (plain["name"], plain["fileName"]) == ("2: plain of  (8, )", "8_plain")


async def test_what_is_too_long_is_cut_at_a_character_and_told(bench):
    long = "\U0001f3ac" * 300
    bench.manifest(header="bucket,key,title", lines=[f"bucket,a.mp4,{long}", "bucket,b.mp4,short"])
    naming(
        bench,
        name_template="x{title}",
        description_template="{title}{title}",
        file_name_template="{title}.mp4",
    )
    rows = await bench.run()
    cut, short = asked(bench)["a.mp4"], asked(bench)["b.mp4"]
    assert cut["name"] == "x" + "\U0001f3ac" * 127  # 255 UTF-16 units
    assert re.fullmatch("\U0001f3ac+ \\[mig1:.*\\]", cut["description"])
    assert cut["fileName"] == "_" * 251 + ".mp4"
    assert rows["a.mp4"].message == (
        "the name was cut to 255 characters; the file name was cut to 255 characters; "
        "the description was cut to make room for the tag"
    )
    assert (short["name"], short["fileName"]) == ("xshort", "short.mp4")
    assert rows["b.mp4"].message is None


async def test_a_template_that_comes_to_nothing_leaves_the_name_of_the_key(bench):
    bench.manifest(header="bucket,key,title", lines=["bucket,a/b c.mp4,"])
    naming(bench, name_template="{title}", file_name_template="{title}")
    await bench.run()
    (body,) = bench.platform.bodies
    assert (body["name"], body["fileName"]) == ("b c.mp4", "b_c.mp4")


async def test_a_template_with_an_unknown_field_stops_before_anything_is_sent(bench):
    bench.manifest("a", "b")
    naming(bench, name_template="{titel}")
    with pytest.raises(UsageError, match="--name-template: no column is called 'titel'") as caught:
        await bench.run()
    assert "{stem}" in caught.value.hint
    assert bench.platform.bodies == []
    naming(bench, name_template="{stem}")  # it may be mended
    await bench.run()
    assert sorted(body["name"] for body in bench.platform.bodies) == ["a", "b"]


async def test_the_templates_of_a_batch_stay_once_it_has_begun(bench):
    bench.manifest("a")
    naming(bench, name_template="{stem}")
    await bench.run()
    checkpoint = Checkpoint.open(bench.directory)
    try:
        check_inputs(checkpoint, open_inputs(bench.settings.inputs))
        naming(bench)
        with pytest.raises(CheckpointError, match="other templates"):
            check_inputs(checkpoint, open_inputs(bench.settings.inputs))
    finally:
        checkpoint.close()

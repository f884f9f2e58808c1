"""The verb `migrator sandbox` hands each of its flags on."""

from migrator.cli import sandbox as verb
from migrator.sandbox import run


def test_every_flag_reaches_the_sandbox(tmp_path, monkeypatch):
    seen = []

    async def serve(settings, **_more):
        seen.append(settings)

    monkeypatch.setattr(run, "serve", serve)
    verb.sandbox(
        dir=tmp_path,
        port=1,
        s3_port=2,
        requests_per_minute=3,
        copy="off",
        media="off",
        clips="off",
        clip_description="none",
        head="off",
        faults=tmp_path / "plan.toml",
        allow_local_urls=True,
    )
    (settings,) = seen
    assert settings == run.SandboxSettings(
        directory=tmp_path,
        port=1,
        s3_port=2,
        requests_per_minute=3,
        copy=False,
        media=False,
        clips=False,
        clip_description="none",
        head=False,
        faults=tmp_path / "plan.toml",
        allow_local_urls=True,
    )


def test_it_tells_where_to_look_at_what_it_holds(tmp_path, monkeypatch, capsys):
    async def serve(_settings, *, ready, **_more):
        ready({"PIXOP_API_URL": "http://127.0.0.1:8080/api"})

    monkeypatch.setattr(run, "serve", serve)
    verb.sandbox(dir=tmp_path)
    assert "shown at http://127.0.0.1:8080/\n" in capsys.readouterr().err

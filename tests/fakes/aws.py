"""STS and S3 on one loopback port, with clocks and refusals that a test steers."""

from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs

from aiohttp import web

ASSUMED = """<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
<Credentials><AccessKeyId>ASIAROLE{n:012}</AccessKeyId><SecretAccessKey>role-secret-{n}-canary
</SecretAccessKey><SessionToken>role-token-{n}-canary</SessionToken><Expiration>{ends}</Expiration>
</Credentials></AssumeRoleResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata>
</AssumeRoleResponse>""".replace("\n", "")

REFUSED = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>
<Type>Sender</Type><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>"""

LISTED = """<?xml version="1.0" encoding="UTF-8"?><ListBucketResult><Name>b</Name>
<IsTruncated>false</IsTruncated><Contents><Key>a.mp4</Key>
<LastModified>2024-05-31T12:00:00.000Z</LastModified><ETag>"e"</ETag><Size>5</Size>
<StorageClass>STANDARD</StorageClass></Contents></ListBucketResult>""".replace("\n", "")


@dataclass
class Aws:
    """`assumed` are the forms of AssumeRole, `signers` the (key id, token) of each S3 request.

    `lasts_s` is how long the next credentials last, `refuses` the code of STS's refusal, and
    `s3_refuses` that of S3.
    """

    url: str = ""
    lasts_s: float = 3600.0
    refuses: tuple[int, str] | None = None
    s3_refuses: str | None = None
    assumed: list = field(default_factory=list)
    bases: list = field(default_factory=list)
    signers: list = field(default_factory=list)

    async def handle(self, request):
        signer = request.headers.get("Authorization", "").partition("Credential=")[2]
        signer = signer.partition("/")[0]
        token = request.headers.get("X-Amz-Security-Token")
        if request.method == "POST":
            form = {name: values[0] for name, values in parse_qs(await request.text()).items()}
            self.assumed.append(form)
            self.bases.append((signer, token))
            if self.refuses is not None:
                status, code = self.refuses
                return web.Response(status=status, text=REFUSED.format(code=code))
            ends = (datetime.now(UTC) + timedelta(seconds=self.lasts_s)).isoformat()
            return web.Response(text=ASSUMED.format(n=len(self.assumed), ends=ends))
        self.signers.append((signer, token))
        if self.s3_refuses is not None:
            code = f"<Error><Code>{self.s3_refuses}</Code><Message>no</Message></Error>"
            return web.Response(status=400, text="" if request.method == "HEAD" else code)
        if request.method == "HEAD":
            return web.Response(headers={"ETag": '"e"'}, body=b"12345")
        return web.Response(text=LISTED, content_type="application/xml")


@asynccontextmanager
async def serving():
    """An `Aws` on a port of this machine."""
    aws = Aws()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", aws.handle)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    aws.url = f"http://{host}:{port}"
    try:
        yield aws
    finally:
        await runner.cleanup()

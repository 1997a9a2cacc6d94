"""Times the judgement of hostile mail: `python benchmarks/mail.py [--megabytes 20] [--only NAME]`.

Every kind of message is made and judged in a process of its own, and the worst time and the highest resident
memory are printed. The bound for one message of 20 MB is 2 s and 200 MB; the exit code is 1 where it is broken.
What the interpreter and the data take before the first message is in the memory and not in the time.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import random
import subprocess
import sys
import tempfile
import time
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

SECONDS, MEGABYTES = 2.0, 200.0
HEAD = (
    b"From: npm <support@npmjs.example>\nTo: m@dev.example\nSubject: Verify your npm account within 24 hours\n"
)


def filled(piece: bytes, size: int, before: bytes = b"", after: bytes = b"") -> bytes:
    return before + piece * (max(0, size - len(before) - len(after)) // len(piece)) + after


def single(kind: str, piece: bytes, encoding: str = "8bit") -> Callable[[int], bytes]:
    """A message of one part, which repeats *piece*."""
    head = HEAD + f"Content-Type: {kind}; charset=utf-8\nContent-Transfer-Encoding: {encoding}\n\n".encode()
    return lambda size: filled(piece, size, head)


def in_base64(kind: str, piece: bytes, name: str = "") -> Callable[[int], bytes]:
    """A message of one part in base64, which repeats *piece*."""
    more = f'; name="{name}"' if name else ""
    head = HEAD + f"Content-Type: {kind}{more}\nContent-Transfer-Encoding: base64\n\n".encode()
    return lambda size: head + base64.encodebytes(piece * (size * 100 // 136 // len(piece)))


def many_parts(part: bytes) -> Callable[[int], bytes]:
    """A multipart message of as many *part* as fit."""
    head = HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n"
    return lambda size: filled(b"--b\n" + part + b"\n", size, head, b"--b--\n")


def header_of(piece: bytes, line: bytes = b"X-Long: ") -> Callable[[int], bytes]:
    """A message whose header block repeats *piece*."""
    return lambda size: filled(piece, size, HEAD + line, b"\n\nhttps://npmjs.example/x\n")


def nested_deep(size: int) -> bytes:
    """Messages in messages in messages."""
    inner = single("text/html", b"<a href='https://npmjs.example/a'>b</a>")(size // 2)
    for _ in range(40):
        inner = HEAD + b"Content-Type: message/rfc822\n\n" + inner
    return inner


def nested_many(size: int) -> bytes:
    """Hundreds of attached messages, each with links."""
    one = b"Content-Type: message/rfc822\n\n" + single(
        "text/html", b"<p><a href='https://npmjs.example/a'>b</a>"
    )(60_000)
    return many_parts(one)(size)


def multipart_deep(size: int) -> bytes:
    """Multiparts inside one another, each with its own boundary."""
    lines = [HEAD]
    lines += [
        b"Content-Type: multipart/mixed; boundary=b%07d\n\n--b%07d\n" % (level, level)
        for level in range(size // 80)
    ]
    return b"".join(lines)


def boundaries(size: int) -> bytes:
    """Lines that begin as a boundary does and are none."""
    return filled(b"--bb\n--b x\n", size, HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n")


def png_bomb(size: int) -> bytes:
    """A picture of a few kilobytes that unpacks to gigabytes, and again and again."""
    raw = zlib.compress(b"\0" * 6_000_000, 9)

    def chunk(name: bytes, data: bytes) -> bytes:
        return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")

    width = 3900
    header = width.to_bytes(4, "big") + width.to_bytes(4, "big") + b"\x08\x00\x00\x00\x00"
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", raw) + chunk(b"IEND", b"")
    body = base64.encodebytes(bomb)
    return many_parts(b"Content-Type: image/png\nContent-Transfer-Encoding: base64\n\n" + body)(size)


def noise_images(size: int) -> bytes:
    """Pictures of noise, in which a decoder finds many beginnings of codes."""
    rng = random.Random(1)
    parts: list[bytes] = []
    total = 0
    while total < size and len(parts) < 60:
        image = Image.frombytes("L", (700, 700), bytes(rng.choice((0, 255)) for _ in range(490_000)))
        out = io.BytesIO()
        image.save(out, "PNG")
        part = b"--b\nContent-Type: image/png\nContent-Transfer-Encoding: base64\n\n" + base64.encodebytes(
            out.getvalue()
        )
        parts.append(part)
        total += len(part)
    return HEAD + b"Content-Type: multipart/mixed; boundary=b\n\n" + b"".join(parts) + b"--b--\n"


def large_image(size: int) -> bytes:
    """One picture of noise as large as the caps let through."""
    rng = random.Random(2)
    side = 3900
    image = Image.frombytes("L", (side, side), rng.randbytes(side * side))
    out = io.BytesIO()
    image.save(out, "JPEG", quality=30)
    encoded = base64.encodebytes(out.getvalue())
    return many_parts(b"Content-Type: image/jpeg\nContent-Transfer-Encoding: base64\n\n" + encoded)(size)


def data_urls(size: int) -> bytes:
    """An HTML page of pages in data: links."""
    page = base64.b64encode(b"<a href='https://npmjs.example/a'>b</a>" * 2000)
    piece = b"<a href='data:text/html;base64," + page + b"'>x</a>\n"
    return single("text/html", piece)(size)


KINDS: dict[str, Callable[[int], bytes]] = {
    "plain words": single("text/plain", b"verify your npm account at once and sign in please\n"),
    "one long line": single("text/plain", b"verify your npm account "),
    "plain links": single("text/plain", b"https://npmjs.example/login?next=https://evil.example/a%20b "),
    "bare hosts": single("text/plain", b"a.b.c.npmjs.example/x npm-support.example/y "),
    "dots": single("text/plain", b"a."),
    "at signs": single("text/plain", b"@"),
    "slashes": single("text/plain", b"https://"),
    "white space": single("text/plain", b" "),
    "line breaks": single("text/plain", b"\n"),
    "carriage returns": single("text/plain", b"\r"),
    "quote marks": single("text/plain", b"> > > > verify your account\n"),
    "combining marks": single("text/plain", "n\u0301\u0302\u0303p\u0301m ".encode()),
    "zero width": single("text/plain", "n\u200bp\u200bm ".encode()),
    "mixed scripts": single("text/plain", "nрm аccount vеrify ".encode()),  # noqa: RUF001 - the look-alikes are the subject
    "japanese": single("text/plain", "アカウントの確認をお願いいたします。".encode()),
    "phrase bait": single("text/plain", b"verify a b c d e f your your your "),
    "numbers": single("text/plain", b"call +1 555 0100 234 0100 "),
    "quoted-printable": single("text/plain", b"=6E=70=6D=\n", "quoted-printable"),
    "utf-7": lambda size: filled(b"+AG4-+AHA-", size, HEAD + b"Content-Type: text/plain; charset=utf-7\n\n"),
    "utf-16": lambda size: filled(
        "npm ".encode("utf-16-le"), size, HEAD + b"Content-Type: text/plain; charset=utf-16\n\n"
    ),
    "base64 text": in_base64("text/plain", b"verify your npm account https://npmjs.example/a "),
    "base64 equals": lambda size: filled(b"=AA", size, HEAD + b"Content-Transfer-Encoding: base64\n\n"),
    "html anchors": single("text/html", b"<a href='https://npmjs.example/a'>https://www.npmjs.com</a>"),
    "html unique anchors": lambda size: (
        HEAD
        + b"Content-Type: text/html\n\n"
        + b"".join(b"<a href='https://h%d.npmjs%d.example/'>x</a>" % (n, n) for n in range(size // 48))
    ),
    "html deep": single("text/html", b"<div><span>"),
    "html unclosed": single("text/html", b"<b>"),
    "html formatting": single("text/html", b"<a><b><i><p>"),
    "html tables": single("text/html", b"<table><tr><td>x"),
    "html attributes": lambda size: filled(b" a=b", size, HEAD + b"Content-Type: text/html\n\n<p", b">x</p>"),
    "html unique attributes": lambda size: (
        HEAD + b"Content-Type: text/html\n\n<p" + b"".join(b" a%d=b" % n for n in range(size // 10)) + b">x</p>"
    ),
    "html comments": single("text/html", b"<!-- x -->n"),
    "html entities": single("text/html", b"&amp;&#110;"),
    "html styles": single("text/html", b"<style>.a{display:none}.b{color:#fff}</style><p class=a>x</p>"),
    "html one style": lambda size: filled(
        b".a,.b{color:red}", size, HEAD + b"Content-Type: text/html\n\n<style>"
    ),
    "html braces": lambda size: filled(b"a{", size, HEAD + b"Content-Type: text/html\n\n<style>"),
    "html scripts": single("text/html", b"<script>location='https://npmjs.example/a'</script>"),
    "html one script": lambda size: filled(
        b"XMLHttpRequest ", size, HEAD + b"Content-Type: text/html\n\n<script>"
    ),
    "html forms": single("text/html", b"<form action='https://npmjs.example/f'><input type=password></form>"),
    "html classes": lambda size: filled(
        b"a ", size, HEAD + b"Content-Type: text/html\n\n<p class='", b"'>x</p>"
    ),
    "data links": data_urls,
    "long link": lambda size: filled(
        b"a", size, HEAD + b"Content-Type: text/html\n\n<a href='https://x.example/", b"'>x</a>"
    ),
    "tiny parts": many_parts(b"\nx"),
    "html parts": many_parts(b"Content-Type: text/html\n\n<a href='https://npmjs.example/a'>b</a>"),
    "boundaries": boundaries,
    "multiparts in one another": multipart_deep,
    "messages in one another": nested_deep,
    "messages side by side": nested_many,
    "header fields": header_of(b"x\nX-Long: "),
    "folded header": header_of(b"x\n "),
    "encoded words": header_of(b"=?utf-8?b?bnBt?= ", b"Subject: "),
    "half encoded words": header_of(b"=?", b"Subject: "),
    "addresses": header_of(b"npm <a@npmjs.example>, ", b"From: "),
    "address brackets": header_of(b"((((", b"From: "),
    "parameters": header_of(b"; a*0*=utf-8''x", b"Content-Type: text/plain"),
    "quoted parameters": header_of(b'; a="\\"', b"Content-Type: text/plain"),
    "received": header_of(b"from a [1.2.3.4 by b ", b"Received: "),
    "signatures": header_of(
        b"x\nDKIM-Signature: v=1; a=rsa-sha256; d=npmjs.example; s=a; b=", b"DKIM-Signature: v=1; b="
    ),
    "pdf": in_base64("application/pdf", b"/URI (https://npmjs.example/a) /URI (", "a.pdf"),
    "pdf bait": in_base64("application/pdf", b"/URI                    ", "a.pdf"),
    "octets": in_base64("application/octet-stream", bytes(range(256)), "a.bin"),
    "archive": in_base64("application/zip", b"PK\x03\x04" + b"\0" * 60, "a.zip"),
    "svg": in_base64("image/svg+xml", b"<svg><a xlink:href='https://npmjs.example/a'/></svg>"),
    "png bombs": png_bomb,
    "noise": noise_images,
    "large pictures": large_image,
    "zeros": lambda size: HEAD + b"\n" + b"\0" * size,
    "no header": lambda size: b"x" * size,
}


def peak_megabytes() -> float:
    """The most memory that this process held; ru_maxrss would count its parent's at the fork."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM")) / 1024


def judge_one(path: str) -> None:
    """In a process of its own: judge one message and print what it took."""
    from npmguard.mail.judge import judge_message  # noqa: PLC0415 - the parent judges nothing

    judge_message(
        HEAD + b"Content-Type: text/html\n\n<p>npm <a href='https://npmjs.example/'>x</a>"
    )  # loads data
    raw = Path(path).read_bytes()
    started = time.perf_counter()
    report = judge_message(raw)
    spent = time.perf_counter() - started
    peak = peak_megabytes()
    result = {"seconds": spent, "peak": peak, "verdict": str(report.verdict)}
    print(json.dumps({**result, "incomplete": list(report.incomplete)}))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=20)
    parser.add_argument("--only", default="", help="kinds whose name holds this")
    parser.add_argument("--one", default="", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.one:
        judge_one(given.one)
        return 0
    worst = {"seconds": 0.0, "peak": 0.0}
    broken = []
    print(f"{'kind':28} {'s':>6} {'MB':>6}  outcome")
    for name, make in KINDS.items():
        if given.only not in name:
            continue
        with tempfile.NamedTemporaryFile(suffix=".eml") as file:
            file.write(make(given.megabytes * 1_000_000))
            file.flush()
            command = [sys.executable, __file__, "--one", file.name]
            run = subprocess.run(command, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            print(f"{name:28} failed: {run.stderr.strip().splitlines()[-1:]}")
            broken.append(name)
            continue
        result = json.loads(run.stdout)
        said = result["incomplete"][0] if result["incomplete"] else "read in full"
        flag = " !" if result["seconds"] > SECONDS or result["peak"] > MEGABYTES else ""
        print(
            f"{name:28} {result['seconds']:6.2f} {result['peak']:6.0f}  {result['verdict']}; {said[:70]}{flag}",
            flush=True,
        )
        worst = {key: max(worst[key], result[key]) for key in worst}
        if flag:
            broken.append(name)
    print(
        f"worst: {worst['seconds']:.2f} s, {worst['peak']:.0f} MB (bound: {SECONDS:.0f} s, {MEGABYTES:.0f} MB)"
    )
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())

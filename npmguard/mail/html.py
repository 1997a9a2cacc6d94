"""The HTML of a message as a reader sees it: visible text, hidden text, and every way out of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from selectolax.lexbor import LexborNode

NODE_CAP = 100_000
DEPTH_CAP = 500
NESTING_TAG_CAP = 15_000
ATTRIBUTE_CAP = 300  # of one element: a parser compares each with all before it
_ATTRIBUTES_CAP = 200_000
_TEXT_CAP = 4 * 1024 * 1024
_STYLE_CAP = 256 * 1024

LinkKind = Literal["anchor", "form", "refresh", "frame", "text", "qr", "pdf", "script", "header"]

_SKIP = frozenset({"script", "style", "head", "title", "noscript", "template", "object", "svg-style"})
_INLINE = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "bdi",
        "bdo",
        "big",
        "cite",
        "code",
        "data",
        "del",
        "dfn",
        "em",
        "font",
        "i",
        "ins",
        "kbd",
        "label",
        "mark",
        "o:p",
        "q",
        "s",
        "samp",
        "small",
        "span",
        "strike",
        "strong",
        "sub",
        "sup",
        "tt",
        "u",
        "var",
        "wbr",
    ]
)
_TAG = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]*)")
_TAG_OPEN = re.compile(r"<[a-zA-Z][^\s/>]*")
_TAG_END = re.compile(r"[\s/]*+>")
_ATTRIBUTE = re.compile(
    r"""[\s/]*+=?[^\s/>=]++(?:\s*+=\s*+(?:"[^"]*+"?|'[^']*+'?|[^\s>"'][^\s>]*+)?)?|[\s/]*+=(?!>)"""
)
_NEVER_DEEP = frozenset(
    [
        "area",
        "base",
        "br",
        "col",
        "embed",
        "hr",
        "img",
        "input",
        "link",
        "meta",
        "param",
        "source",
        "track",
        "wbr",
        "p",
        "li",
        "td",
        "th",
        "tr",
        "dt",
        "dd",
        "option",
        "html",
        "body",
        "head",
    ]
)
_HIDING = re.compile(
    r"display:none|visibility:hidden|mso-hide:all|font-size:(?:0|1)(?:\.\d+)?(?:px|pt|em|%|;|!|$)|font-size:0"
    r"|opacity:0?(?:\.0\d*)?(?:;|!|$)|max-height:0|text-indent:-\d{3,}|(?:left|top|right):-\d{3,}|clip:rect\(0"
    r"|transform:scale\(0|color:transparent"
)
_RULE = re.compile(r"([^{}]{1,500})\{([^{}]{0,2000})\}")
_SIMPLE_SELECTOR = re.compile(r"(?:[a-z0-9]*)([.#])([\w-]+)", re.IGNORECASE)
_COLOUR = re.compile(r"(?:^|;)color:([^;!]+)")
_BACKGROUND = re.compile(r"(?:^|;)background(?:-color)?:([^;! ]+)")
_SCRIPT_TARGET = re.compile(
    r"""(?:location(?:\.href)?\s*=|location\.(?:assign|replace)\s*\(|window\.open\s*\(|\.action\s*=|fetch\s*\(|XMLHttpRequest\b"""
    r"""[^;]{0,200}\.open\s*\([^,]{1,20},)\s*["'`]([^"'`\s]{4,2000})["'`]"""
)
_NAMED_COLOURS = {
    "white": "ffffff",
    "#fff": "ffffff",
    "#ffffff": "ffffff",
    "rgb(255,255,255)": "ffffff",
    "black": "000000",
}


@dataclass(frozen=True, slots=True)
class RawLink:
    """A way out of the message, as written: ``target`` is a URL or what stands in its place."""

    kind: LinkKind
    target: str
    text: str = ""
    hidden: bool = False
    where: str = ""


@dataclass(frozen=True, slots=True)
class Page:
    """What one HTML part shows and holds.

    ``split`` counts words that are cut by hidden text. ``images`` are ``alt`` texts with file names of the
    sources; ``data`` are ``data:`` URLs of images and pages.
    """

    visible: str
    hidden: str
    links: tuple[RawLink, ...]
    images: tuple[str, ...]
    data: tuple[str, ...] = field(repr=False)
    title: str = ""
    forms: int = 0
    passwords: int = 0
    scripts: int = 0
    split: int = 0
    cut: bool = False


def read_html(text: str) -> Page:
    """Read one HTML part; never fails. At most :data:`NODE_CAP` nodes; ``cut`` says if there were more."""
    from selectolax.lexbor import LexborHTMLParser  # noqa: PLC0415 - loaded for HTML mail only

    cut = False
    if text.count("<") > NODE_CAP:
        text = text[: _nth(text, "<", NODE_CAP)]
        cut = True
    for limit in (_too_deep, _too_many_attributes):
        end = limit(text)
        if end >= 0:
            text = text[:end]
            cut = True
    parser = LexborHTMLParser(text.replace("\x00", ""))
    root = parser.root
    if root is None:
        return Page("", "", (), (), ())
    walk = _Walk()
    walk.run(root)
    return Page(
        visible="".join(walk.visible)[:_TEXT_CAP],
        hidden=" ".join(walk.hidden)[:_TEXT_CAP],
        links=tuple(walk.links),
        images=tuple(dict.fromkeys(walk.images)),
        data=tuple(walk.data),
        title=walk.title,
        forms=walk.forms,
        passwords=walk.passwords,
        scripts=walk.scripts,
        split=walk.split,
        cut=cut or walk.cut,
    )


def _nth(text: str, char: str, count: int) -> int:
    at = -1
    for _ in range(count):
        at = text.find(char, at + 1)
    return at


def _too_deep(text: str) -> int:
    """Where elements lie deeper than :data:`DEPTH_CAP`, or -1: a parser's work grows with depth times length.

    End tags can be faked inside attributes, so the number of elements that can nest is capped as well.
    """
    depth = opened = 0
    for match in _TAG.finditer(text):
        if match[2].lower() in _NEVER_DEEP:
            continue
        depth = max(0, depth - 1) if match[1] else depth + 1
        opened += not match[1]
        if depth > DEPTH_CAP or opened > NESTING_TAG_CAP:
            return match.start()
    return -1


def _too_many_attributes(text: str) -> int:
    """Where an element begins that has more than :data:`ATTRIBUTE_CAP` attributes, or -1.

    Read as https://html.spec.whatwg.org/multipage/parsing.html#before-attribute-name-state does.
    """
    total = 0
    tag = _TAG_OPEN.search(text)
    while tag is not None:
        at, count = tag.end(), 0
        while _TAG_END.match(text, at) is None:
            attribute = _ATTRIBUTE.match(text, at)
            if attribute is None:
                break
            at = attribute.end()
            count += 1
            total += 1
            if count > ATTRIBUTE_CAP or total > _ATTRIBUTES_CAP:
                return tag.start()
        tag = _TAG_OPEN.search(text, at)
    return -1


class _Walk:
    """One pass over the tree, without recursion."""

    def __init__(self) -> None:
        self.visible: list[str] = []
        self.hidden: list[str] = []
        self.links: list[RawLink] = []
        self.images: list[str] = []
        self.data: list[str] = []
        self.title = ""
        self.forms = self.passwords = self.scripts = self.split = 0
        self.cut = False
        self.hiding_classes: set[str] = set()
        self.base = ""
        self.anchor: list[str] | None = None
        self.pending_hidden = False

    def run(self, root: LexborNode) -> None:
        for sheet in root.css("style"):
            self.read_style(sheet.text(deep=True)[:_STYLE_CAP])
        # entries: (node, hidden, background) to open, or (callback text) to close
        stack: list[tuple[LexborNode | None, bool, str, str]] = [(root, False, "ffffff", "")]
        count = 0
        closing: list[tuple[str, LexborNode, list[str] | None, bool]] = []
        while stack:
            node, hidden, background, action = stack.pop()
            if node is None:
                self.close(action, closing)
                continue
            count += 1
            if count > 2 * NODE_CAP:
                self.cut = True
                break
            following = node.next
            if following is not None and count > 1:
                stack.append((following, hidden, background, ""))
            tag = node.tag or ""
            if tag == "-text":
                self.add_text(node.text_content or "", hidden=hidden)
                continue
            if tag in {"-comment", "_comment", "!doctype", "-doctype"} or tag.startswith(("!", "_")):
                continue
            attributes = node.attributes
            self.observe(tag, node, attributes)
            if tag in _SKIP and tag not in {"head", "noscript"}:
                continue
            style = _compact(attributes.get("style") or "")
            inner_background = _background(style, attributes.get("bgcolor") or "", background)
            inner_hidden = hidden or self.is_hidden(tag, attributes, style, inner_background)
            block = tag not in _INLINE
            if block and not inner_hidden and tag not in {"img", "input"}:
                self.newline(tag)
            if tag == "a":
                closing.append(("a", node, self.anchor, inner_hidden))
                self.anchor = []
                stack.append((None, hidden, background, "a"))
            elif block and tag in {
                "p",
                "div",
                "td",
                "tr",
                "li",
                "h1",
                "h2",
                "h3",
                "h4",
                "table",
                "blockquote",
                "button",
            }:
                stack.append((None, inner_hidden, background, "block"))
            child = node.child
            if child is not None:
                stack.append((child, inner_hidden, inner_background, ""))

    def close(self, action: str, closing: list[tuple[str, LexborNode, list[str] | None, bool]]) -> None:
        if action == "block":
            self.newline("")
            return
        _, node, outer, hidden = closing.pop()
        text = " ".join("".join(self.anchor or ()).split())[:400]
        if outer is not None:
            outer.append(text)
        self.anchor = outer
        attributes = node.attributes
        for name in ("href", "xlink:href"):
            target = attributes.get(name)
            if target:
                self.link("anchor", target, text, hidden=hidden)

    def link(self, kind: LinkKind, target: str, text: str = "", *, hidden: bool = False) -> None:
        target = target.strip()[:8192]
        lowered = "".join(target[:40].lower().split())
        if lowered.startswith("data:"):
            self.data.append(target)
            return
        if lowered.startswith("javascript:"):
            self.scripts += 1
            return
        if not target or target.startswith("#") or lowered.startswith(("cid:", "tel:", "about:")):
            return
        if self.base and "://" not in target[:20] and not lowered.startswith(("mailto:", "//")):
            target = self.base.rstrip("/") + "/" + target.lstrip("/")
        self.links.append(RawLink(kind, target, text, hidden))

    def observe(self, tag: str, node: LexborNode, attributes: dict[str, str | None]) -> None:
        """What an element means beyond its text."""
        if tag == "img":
            source = attributes.get("src") or ""
            alt = " ".join((attributes.get("alt") or attributes.get("title") or "").split())[:200]
            if alt:
                self.images.append(alt)
            if source.startswith("data:"):
                self.data.append(source)
            if self.anchor is not None and alt:
                self.anchor.append(f" {alt} ")
        elif tag == "base":
            self.base = self.base or (attributes.get("href") or "")[:2048]
        elif tag == "form":
            self.forms += 1
            self.link("form", attributes.get("action") or "")
        elif tag in {"input", "button"}:
            if (attributes.get("type") or "").strip().lower() == "password":
                self.passwords += 1
            if attributes.get("formaction"):
                self.link("form", attributes.get("formaction") or "")
        elif tag == "meta" and (attributes.get("http-equiv") or "").lower() == "refresh":
            _, _, target = (attributes.get("content") or "").partition("=")
            self.link("refresh", target.strip("'\" "))
        elif tag in {"iframe", "frame", "embed"}:
            self.link("frame", attributes.get("src") or "")
        elif tag == "area":
            self.link("anchor", attributes.get("href") or "", attributes.get("alt") or "")
        elif tag == "title":
            self.title = self.title or " ".join(node.text(deep=True).split())[:200]
        elif tag == "script":
            self.scripts += 1
            for match in _SCRIPT_TARGET.finditer(node.text(deep=True)[:_STYLE_CAP]):
                self.link("script", match[1])
        if "onclick" in attributes or "onload" in attributes:
            self.scripts += 1
            for match in _SCRIPT_TARGET.finditer(
                ((attributes.get("onclick") or "") + (attributes.get("onload") or ""))[:8192]
            ):
                self.link("script", match[1])

    def add_text(self, text: str, *, hidden: bool) -> None:
        if hidden:
            if text.strip():
                self.hidden.append(text)
                self.pending_hidden = True
            return
        if self.pending_hidden:
            before = self.visible[-1][-1:] if self.visible else ""
            if before.isalpha() and text[:1].isalpha():
                self.split += 1
            self.pending_hidden = False
        if text:
            self.visible.append(text)
            if self.anchor is not None:
                self.anchor.append(text)

    def newline(self, tag: str) -> None:
        self.pending_hidden = False
        if tag == "br" or (self.visible and not self.visible[-1].endswith("\n")):
            self.visible.append("\n")
        if self.anchor is not None:
            self.anchor.append(" ")

    def is_hidden(self, tag: str, attributes: dict[str, str | None], style: str, background: str) -> bool:
        if "hidden" in attributes and tag != "input":
            return True
        names = [f".{name}" for name in (attributes.get("class") or "").split()]
        if attributes.get("id"):
            names.append(f"#{attributes.get('id')}")
        if any(name in self.hiding_classes for name in names):
            return True
        if style and (_HIDING.search(style) or ("height:0" in style and "overflow:hidden" in style)):
            return True
        colour = (attributes.get("color") or "") if tag == "font" else ""
        match = _COLOUR.search(style)
        if match:
            colour = match[1]
        if tag == "font" and (attributes.get("size") or "") == "0":
            return True
        return bool(colour) and _colour(colour) == background and _colour(colour) != ""

    def read_style(self, css: str) -> None:
        """Learn which classes and ids a style sheet hides (rules inside @media count too)."""
        css = re.sub(r"/\*.*?\*/", "", css, flags=re.DOTALL)
        for match in _RULE.finditer(css):
            body = _compact(match[2])
            if not _HIDING.search(body):
                continue
            for selector in match[1].split(","):
                simple = _SIMPLE_SELECTOR.fullmatch(selector.strip())
                if simple:
                    self.hiding_classes.add(simple[1] + simple[2])


def _compact(style: str) -> str:
    return "".join(style.lower().split())[:4000]


def _colour(value: str) -> str:
    value = value.strip().lower()
    if value in _NAMED_COLOURS:
        return _NAMED_COLOURS[value]
    match = re.fullmatch(r"#([0-9a-f]{6})", value)
    if match:
        # a shade that no eye tells from white or black is that colour
        red, green, blue = (int(match[1][at : at + 2], 16) for at in (0, 2, 4))
        if min(red, green, blue) >= 0xFA:
            return "ffffff"
        return match[1]
    short = re.fullmatch(r"#([0-9a-f]{3})", value)
    return "".join(char * 2 for char in short[1]) if short else ""


def _background(style: str, bgcolor: str, inherited: str) -> str:
    match = _BACKGROUND.search(style)
    if match:
        return _colour(match[1]) or "unknown"
    if "background" in style:
        return "unknown"
    return (_colour(bgcolor) or "unknown") if bgcolor else inherited

"""Which files an installation and a load run, and by which way."""

from __future__ import annotations

import json

from npmguard.detect.reach import Reach
from npmguard.model import PackageArchive, PackageFile
from npmguard.package.manifest import parse_manifest


def archive(files: dict[str, str], **manifest: object) -> PackageArchive:
    text = json.dumps({"name": "sample", "version": "1.0.0", **manifest}).encode()
    packed = {path: PackageFile(path, len(it), "", it.encode()) for path, it in files.items()}
    return PackageArchive(packed, (), len(packed), 0, parse_manifest(text, packed))


def load(files: dict[str, str], **manifest: object) -> dict[str, str]:
    return dict(Reach(archive(files, **manifest), {}, {}).load)


def test_main_and_what_it_requires_are_loaded_and_the_rest_is_not() -> None:
    files = {
        "index.js": "require('./lib/a'); import('./lib/b.mjs')",
        "lib/a.js": 'export * from "../c/index.js"',
        "lib/b.mjs": "new Worker(new URL('./worker.js', import.meta.url))",
        "lib/worker.js": "",
        "c/index.js": "",
        "test.js": "require('./index')",
    }
    assert load(files) == {
        "index.js": "main > index.js",
        "lib/a.js": "main > index.js > lib/a.js",
        "lib/b.mjs": "main > index.js > lib/b.mjs",
        "lib/worker.js": "main > index.js > lib/b.mjs > lib/worker.js",
        "c/index.js": "main > index.js > lib/a.js > c/index.js",
    }


def test_every_field_that_hands_out_a_path_is_an_entry() -> None:
    files = dict.fromkeys(("a.js", "b.mjs", "c.js", "d.js", "e/f.js", "e/g.js", "h.js", "cli.js", "no.js"), "")
    found = load(
        files,
        main="a",
        module="b.mjs",
        browser={"./a.js": "./c.js", "fs": False},
        exports={".": [{"node": {"import": "./d.js"}}], "./e/*": "./e/*.js", "./no": None},
        imports={"#h": "./h.js"},
        bin={"tool": "./cli.js"},
    )
    assert sorted(found) == ["a.js", "b.mjs", "c.js", "cli.js", "d.js", "e/f.js", "e/g.js", "h.js"]
    assert found["cli.js"] == "bin.tool > cli.js"
    assert found["a.js"] == "main > a.js"


def test_a_name_that_the_source_hides_is_followed_where_it_was_read() -> None:
    files = {"index.js": "require('./' + 'x'.concat('y'))", "xy.js": ""}
    found = Reach(archive(files), {}, {"index.js": ("./xy",)}).load
    assert found["xy.js"] == "main > index.js > xy.js"


def test_an_installation_runs_what_its_scripts_name_and_what_that_names() -> None:
    files = {"setup.js": "fork(join(__dirname, 'payload.js'))", "payload.js": "", "index.js": ""}
    reach = Reach(archive(files), {"./setup": "scripts.postinstall"}, {})
    assert reach.installation == {
        "setup.js": "scripts.postinstall > setup.js",
        "payload.js": "scripts.postinstall > setup.js > payload.js",
    }
    further = Reach(archive(files), {"./setup": "scripts.postinstall"}, {}, ["payload.js", "index.js"])
    assert further.installation["index.js"] == "an install script > index.js"
    assert further.installation["payload.js"] == "scripts.postinstall > setup.js > payload.js"


def test_long_ways_are_told_by_their_ends_and_circles_end() -> None:
    files = {f"f{number}.js": f"require('./f{number + 1}')" for number in range(20)}
    files["f20.js"] = "require('./f0.js')"
    assert load(files, main="f0.js")["f20.js"] == "main > f0.js > ... > f19.js > f20.js"


def test_a_way_out_of_the_package_and_a_file_that_is_not_there_are_none() -> None:
    files = {"index.js": "require('../../index.js'); require('./gone'); require('other')"}
    assert load(files) == {"index.js": "main > index.js"}


def test_a_package_that_names_a_thousand_entries_is_bounded() -> None:
    exports = {f"./{number}": f"./{number}.js" for number in range(5000)}
    reach = archive({"index.js": ""}, exports=exports)
    assert reach.manifest is not None
    assert len(reach.manifest.entries) == 1000

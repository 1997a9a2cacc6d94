"""The words for where a value comes from and where it goes, with the names that each stands for.

The analysis of flows (:mod:`npmguard.javascript.flow`) looks names up in these tables, and
:mod:`npmguard.javascript.flow_marks` draws from them what a file must hold to be worth parsing, so that the two
cannot drift apart.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Source(StrEnum):
    """Where a value comes from."""

    ENVIRONMENT = "environment"  # process.env as a whole, or by an unknown key
    ENVIRONMENT_SECRET = "environment-secret"  # noqa: S105 - process.env.NAME, where NAME tells a secret
    CREDENTIAL_FILE = "credential-file"
    BROWSER_PROFILE = "browser-profile"
    WALLET_STORE = "wallet-store"
    SECRET_KEY = "secret-key"  # noqa: S105 - mnemonics, private keys
    CLIPBOARD = "clipboard"
    FORM_INPUT = "form-input"
    COOKIES = "cookies"
    HOST_INFO = "host-info"
    FILE = "file"  # the content of any other file
    DIRECTORY = "directory"  # the names in a folder
    NETWORK = "network"  # what a response brought
    DECODED = "decoded"
    COMMAND_OUTPUT = "command-output"
    NPM_TOKEN = "npm-token"  # noqa: S105
    EMBEDDED = "embedded"  # a text of the code itself; told of files that are run only


class Sink(StrEnum):
    """Where a value goes."""

    NETWORK = "network"
    DNS = "dns"  # a name that is looked up
    EVALUATE = "evaluate"
    COMMAND = "command"
    FILE = "file"
    RUN_FILE = "run-file"  # a file that the code writes and has run
    REQUIRE = "require"  # a module whose name is computed
    CLIPBOARD = "clipboard"
    PAGE = "page"
    WORKFLOW = "workflow"
    SHELL_PROFILE = "shell-profile"


RARE_SOURCES = frozenset(
    {Source.CREDENTIAL_FILE, Source.BROWSER_PROFILE, Source.WALLET_STORE, Source.NPM_TOKEN}
)
"""Sources that few files have: such a file and one with a sink are worth parsing together."""

FLOW_TARGET, FLOW_PART = 2, 3
"""Where the arguments of a FLOW fact tell what it goes to, and as what part of a request."""

FLOW_PARTS = ("url", "headers", "body")


def flow_name(source: Source, sink: Sink) -> str:
    """The name of a FLOW fact."""
    return f"{source}>{sink}"


def flow_of(name: str) -> tuple[Source, Sink]:
    """The words of such a name."""
    source, _, sink = name.partition(">")
    return Source(source), Sink(sink)


# --- sources ---------------------------------------------------------------------------------------------

ENVIRONMENTS = frozenset({"process.env", "import.meta.env", "Bun.env"})
SECRET_WORDS = (
    *(
        "TOKEN",
        "SECRET",
        "PASSW",
        "PASSPHRASE",
        "APIKEY",
        "PRIVATE_KEY",
        "MNEMONIC",
        "CREDENTIAL",
        "_authToken",
    ),
    *("DATABASE_URL", "MONGO_UR", "MONGODB_UR", "REDIS_URL", "WEBHOOK", "SEED_PHRASE"),
)
"""Parts of the names of environment variables that hold secrets."""

SECRET_ENDS = ("_KEY", "_PASS", "_PAT", "_AUTH", "_PWD", "_SEED")
"""Ends of such names, or of a word in them."""

PUBLIC_NAMES = re.compile(r"PUBLIC_|VITE_|REACT_APP_|_KEYS?_?(?:ID|NAME|PATH|FILE|LENGTH|PREFIX)\Z|_PATH\Z")
"""Names of variables that are meant to be published, or that name a secret's place."""

NPM_TOKENS = frozenset({"NPM_TOKEN", "NODE_AUTH_TOKEN", "NPM_AUTH_TOKEN", "npm_config__authToken"})
TOKEN_FIELD = "_authToken"  # noqa: S105 - as .npmrc spells it
HOST_VARIABLES = frozenset({"USER", "USERNAME", "LOGNAME", "HOSTNAME", "COMPUTERNAME", "USERDOMAIN"})

PLACES: Mapping[Source, tuple[str, ...]] = MappingProxyType(
    {
        Source.CREDENTIAL_FILE: (
            *(".npmrc", ".yarnrc", ".netrc", "_netrc", ".ssh", "id_rsa", "id_ed25519", ".aws", ".azure"),
            *("gcloud", "application_default_credentials", ".kube", "kubeconfig", ".docker/config.json"),
            *(".git-credentials", "gh/hosts.yml", ".config/gh", ".pypirc", ".pgpass", ".my.cnf", ".gnupg"),
            *(
                ".vault-token",
                ".terraform.d",
                ".cargo/credentials",
                ".gem/credentials",
                "secrets/kubernetes.io",
            ),
            *(".config/op", ".password-store", "keychain-db", "/etc/shadow", "filezilla", ".dockercfg"),
            *(".claude.json", ".bash_history", ".zsh_history"),
        ),
        Source.BROWSER_PROFILE: (
            *("Login Data", "Local State", "Web Data", "Network/Cookies", "Local Extension Settings"),
            *("logins.json", "key4.db", "cookies.sqlite", "places.sqlite", "BraveSoftware"),
            *("User Data", "Firefox/Profiles", ".mozilla/firefox", "google-chrome"),
            *(
                "Opera Software",
                "Local Storage/leveldb",
            ),
            *("discord/Local Storage", "tdata"),
        ),
        Source.WALLET_STORE: (
            *(
                "wallet.dat",
                "exodus.wallet",
                "Exodus",
                "Electrum",
                ".electrum",
                "solana/id.json",
                "Ethereum/keystore",
            ),
            *(
                "ethereum/keystore",
                "atomic/Local Storage",
                "com.liberty.jaxx",
                "Coinomi",
                "Ledger Live",
            ),
            *(
                "Bitcoin/wallets",
                ".bitcoin",
                "Zcash",
                "seed.seco",
                "passphrase.json",
            ),
            *(
                "nkbihfbeogaeaoehlefnkodbefgpgknn",
                "bfnaelmomeimhlpmgjnjophhpkkoljpa",
                "ejbalbakoplchlghecdalmeeeajnimhm",
            ),
            *(
                "fhbohimaelbohpjbbldcngcnapndodjp",
                "hnfanknocfeofbddgcijnmhnfnkdnaad",
                "ibnejdfjmmkpcnlpebklmnkoeoihofec",
            ),
            *(
                "egjidjbpglichdcondbcbdnbeeppgdph",
                "aholpfdialjgjfhomihkjbmgjidlcdno",
                "acmacodkjbdgmoleebolmdjonilkdbch",
            ),
            *(
                "dmkamcknogkgcdfhhbddcghachkejeap",
                "mcohilncbfahbmgdjkbpemcciiolgcge",
                "fnjhmkhhmkbjkkabndcnnogagogbneec",
            ),
            *(
                "bhhhlbepdkbapadjdnnojkbgioiodbic",
                "aeachknmefphepccionboohckonoeemg",
                "hifafgmccdpekplomjjkcfgodnhcellj",
            ),
            *(
                "fnnegphlobjdpkhecapkijjdkgcjhkib",
                "mkpegjkblkkefacfnmkajcjmabijhclg",
                "omaabbefbmiijedngplfjmnooppbclkk",
            ),
        ),
    }
)
"""Parts of the paths of files that hold secrets, with ``/`` between segments."""

SECRET_MEMBERS = frozenset(
    {
        *("mnemonic", "mnemonicPhrase", "seedPhrase", "seed_phrase", "privateKey", "private_key", "secretKey"),
        *("secret_key", "privKey", "secretRecoveryPhrase", "recoveryPhrase", "_signingKey", "signingKey"),
    }
)
"""Members that hold keys of wallets, whatever they are members of."""

KEY_TAKERS = frozenset(
    {
        *("fromSecretKey", "fromPrivateKey", "fromMnemonic", "fromPhrase", "fromSeedPhrase", "fromSeed"),
        *("privateKeyToAccount", "mnemonicToAccount", "mnemonicToSeed", "mnemonicToSeedSync", "importKey"),
        *(
            "importPrivateKey",
            "importMnemonic",
            "restoreFromMnemonic",
            "fromEncryptedJson",
            "fromWIF",
            "fromHdKey",
        ),
    }
)
"""Methods whose first argument is a key of a wallet."""

KEY_MAKERS = frozenset({"generateMnemonic", "mnemonicToSeed", "mnemonicToSeedSync", "entropyToMnemonic"})
"""Functions that return a key of a wallet."""

READERS = frozenset({"readFile", "readFileSync", "createReadStream", "readJson", "readJSON", "readJsonSync"})
"""Functions of any file system module that read the file that their first argument names."""

LISTERS = frozenset({"readdir", "readdirSync", "opendir", "opendirSync", "globSync", "glob", "sync"})
FILE_MODULES = frozenset(
    {"fs", "fs/promises", "fs.promises", "fs-extra", "graceful-fs", "original-fs", "memfs", "glob", "fast-glob"}
)
HOST_CALLS = frozenset(
    {
        *("os.hostname", "os.userInfo", "os.networkInterfaces", "os.cpus", "os.homedir", "process.cwd"),
        *("systeminformation.system", "systeminformation.osInfo", "systeminformation.networkInterfaces"),
        *("systeminformation.cpu", "systeminformation.users", "systeminformation.uuid", "node-machine-id"),
        *("node-machine-id.machineId", "node-machine-id.machineIdSync", "public-ip", "username"),
    }
)
HOST_COMMANDS = (
    *("whoami", "hostname", "ifconfig", "ipconfig", "uname", "systeminfo", "ip addr", "getmac", "wmic"),
    *("sw_vers", "dscl", "lsb_release", "tasklist", "ioreg", "MachineGuid"),
)
"""Commands that tell who and where the machine is."""

CLIPBOARD_CALLS = (
    "clipboard.readText",
    "clipboard.read",
    "clipboardy.read",
    "clipboardy.readSync",
    "clipboardData.getData",
)
CLIPBOARD_COMMANDS = ("pbpaste", "xclip", "xsel", "Get-Clipboard", "wl-paste")
COOKIE_READS = (
    "document.cookie",
    "localStorage",
    "sessionStorage",
    "chrome.cookies",
    "cookieStore",
    "browser.cookies",
)
ELEMENT_FINDERS = frozenset(
    {
        *("querySelector", "querySelectorAll", "getElementById", "getElementsByName", "getElementsByTagName"),
        *("getElementsByClassName", "closest"),
    }
)
KEY_EVENTS = frozenset({"keydown", "keyup", "keypress", "input", "change", "beforeinput", "paste", "submit"})
DECODERS = frozenset(
    {
        *("atob", "js-base64.Base64.decode", "js-base64.decode", "zlib.inflateSync", "zlib.inflateRawSync"),
        *("zlib.gunzipSync", "zlib.unzipSync", "zlib.brotliDecompressSync", "zlib.inflate", "zlib.inflateRaw"),
        *(
            "zlib.gunzip",
            "zlib.unzip",
            "zlib.brotliDecompress",
            "pako.inflate",
            "pako.ungzip",
            "pako.inflateRaw",
        ),
        *("crypto.createDecipheriv", "crypto.createDecipher", "crypto.privateDecrypt", "crypto.subtle.decrypt"),
        *(
            "crypto-js.AES.decrypt",
            "CryptoJS.AES.decrypt",
            "lz-string.decompress",
            "lz-string.decompressFromBase64",
        ),
        *("DecompressionStream", "unescape"),
    }
)
"""Functions that give text its meaning back."""

BYTE_ENCODINGS = frozenset({"base64", "base64url", "hex"})

# --- sinks -----------------------------------------------------------------------------------------------

NETWORK_GLOBALS = frozenset({"fetch", "XMLHttpRequest", "WebSocket", "EventSource", "sendBeacon", "Image"})
NETWORK_MODULES = frozenset(
    {
        *("http", "https", "http2", "axios", "got", "node-fetch", "cross-fetch", "isomorphic-fetch", "undici"),
        *("request", "request-promise", "request-promise-native", "superagent", "needle", "phin", "bent", "ky"),
        *(
            "ofetch",
            "make-fetch-happen",
            "minipass-fetch",
            "node-fetch-native",
            "follow-redirects",
            "ws",
            "wreck",
        ),
        *(
            "net",
            "tls",
            "dgram",
            "socket.io-client",
            "nodemailer",
            "ftp",
            "basic-ftp",
            "ssh2",
            "centra",
            "unfetch",
        ),
        *(
            "node-telegram-bot-api",
            "telegraf",
            "discord.js",
            "discord-webhook-node",
            "@octokit/rest",
            "@octokit/core",
        ),
        *(
            "websocket",
            "teeny-request",
            "wretch",
            "axios-retry",
            "popsicle",
            "urllib",
            "simple-get",
            "tiny-json-http",
        ),
    }
)
EVALUATORS = frozenset(
    {
        *("eval", "Function", "vm.runInThisContext", "vm.runInNewContext", "vm.runInContext", "vm.Script"),
        *("vm.compileFunction", "vm.SourceTextModule", "module._compile", "module.prototype._compile"),
        *("execScript", "executeJavaScript", "executeScript", "setTimeout", "setInterval", "setImmediate"),
        *("require-from-string", "eval", "isolated-vm", "vm2.VM.run", "AsyncFunction"),
    }
)
COMMAND_MODULES = frozenset(
    {"child_process", "execa", "cross-spawn", "shelljs", "zx", "node-pty", "sudo-prompt"}
)
FILE_WRITERS = frozenset(
    {
        *("writeFile", "writeFileSync", "appendFile", "appendFileSync", "createWriteStream", "outputFile"),
        *(
            "outputFileSync",
            "writeJson",
            "writeJsonSync",
            "writeJSON",
            "outputJson",
            "copyFile",
            "copyFileSync",
        ),
    }
)
WORKFLOW_PLACES = (".github/workflows", ".github\\workflows", "workflows")
PROFILE_PLACES = (
    *(".bashrc", ".bash_profile", ".zshrc", ".zprofile", ".zshenv", ".profile", ".config/fish", "crontab"),
    *(
        "cron.d",
        "LaunchAgents",
        "LaunchDaemons",
        "systemd/user",
        "systemd/system",
        "Start Menu/Programs/Startup",
    ),
    *(
        "Programs/Startup",
        "autostart",
        "CurrentVersion/Run",
        "CurrentVersion\\Run",
        "Microsoft.PowerShell_profile",
    ),
)
CLIPBOARD_WRITES = ("writeText", "clipboardy", "clipboardData", "execCommand", "setData")
PAGE_MEMBERS = frozenset(
    {"innerHTML", "outerHTML", "value", "textContent", "innerText", "src", "href", "srcdoc", "action"}
)
PAGE_CALLS = frozenset({"insertAdjacentHTML", "document.write", "document.writeln", "setAttribute"})

"""The marks in bytes of code that is not in plain sight, for the prefilter."""

EVALUATION = (
    r"/(^|[^\w$.\-\"'`])eval\s*(\?\.\s*)?\(\s*([\w$.]+\s*[^\s:\w$.]|[\[(\"'`!+~])/",
    r"/,\s*((window|self|globalThis|global|top)\s*\.\s*)?eval\s*\)\s*\(\s*[\w$\[(!+`]/",
    r"/([=(?]|[\w$][\"'`]?\s*:)\s*((window|self|globalThis|global|top)\s*\.\s*)?eval\s*[),;}]/",
    r"/[\w$)\]]\s*\[\s*[\"'`](eval[\"'`]\s*\]\s*[(;,)\]}.]|Function[\"'`]\s*\]\s*\()/",
    r"/\b(window|self|globalThis|global|top|this)\s*\.\s*eval\s*\(\s*[\w$\[(!+`]/",
    r"/\.\s*eval\s*\(\s*(atob|Buffer|unescape|decodeURI|String|[\"'`])|\beval\s*\.\s*(call|apply|bind)\b/",
    r"/(^|[^\w$.])Function[\])]*\s*(\.\s*(call|apply|bind|constructor)\s*)?\(\s*([\[(+]|[\"'`][^\"'`\n]{40})/",
    r"/(^|[^\w$.])Function[\])]*\s*(\.\s*(call|apply|bind|constructor)\s*)?\(\s*[\w$]+\s*(,|\.|\[|\(|\+|\)\s*[^\s{])/",
    r"/\b(window|self|globalThis|global|Reflect\s*\.\s*construct\s*\(\s*)\s*\.?\s*Function\b/",
    r"/[.\[]\s*[\"'`]?constructor[\"'`\])]*\s*(\.\s*|\[\s*[\"'`])constructor/",
    r"/[}\])'\"`]\s*(\.\s*|\[\s*[\"'`])constructor[\"'`\]]*\s*\(\s*[\"'`\w$]/",
    r"/\b(require|from|import)\s*\(?\s*[\"'`](node:)?vm[\"'`]/",
    # Node compiles a module of its text and its name, and ends without a name before anything has run.
    r"/[.\[]\s*[\"'`]?_compile[\"'`]?\s*\]?\s*([^\s\w(=\]\"'`$]|\n|$|\(\s*([^\s\w$)]|[\w$][\w$.]*\s*[^\s\w$.)]))/",
    r"/data:(text|application)\/(javascript|ecmascript|x-javascript)/ nocase",
    r"/[\"'`](-e|-p|-pe|--eval|--print)[\"'`=]|\bnode(js)?(\.exe)? (-e|-p|-pe|--eval|--print)\b/",
    r"/\bset(Timeout|Interval|Immediate)\s*\(\s*([\"'`]|atob|unescape|decodeURI|Buffer)/",
    r"/\beval\s*:\s*(true|1|!0)\b/",
)
"""What has text run as code."""

NUMBERS = (r"/(\b(0x[0-9a-fA-F]{1,2}|[0-9]{1,3})\s*,\s*){15}/",)
"""Lists of bytes."""

HIDING = (
    r"/atob|[\"'`](base64|base64url|hex)[\"'`]/",
    *NUMBERS,
    r"/fromCharCode|fromCodePoint|codePointAt|createDecipher|inflate(Sync|Raw)|gunzip|brotliDecompress/",
    r"/(%[2-7][0-9a-fA-F]){4}/",
    r"/reverse[\"'`]?\s*\]?\s*\(\s*\)\s*(\.|\[)\s*[\"'`]?join/",
    r"/readFile|createReadStream|\.json[\"'`]\s*\)/",
    r"/(\\\\x[0-9a-fA-F]{2}|\\\\u00[0-9a-fA-F]{2}){2}|\\[\"'`]\s*\+\s*\\[\"'`]/",
)
"""What hides that text from the prefilter: a file with both is parsed."""

UNSEEN = (
    r"/(\xef\xb8[\x80-\x8f]|\xf3\xa0[\x80-\x87][\x80-\xbf]|\xe2\x80[\x8b-\x8f]|\xe2\x81[\xa0-\xa4]){2}/",
    r"/(\xef\xbb\xbf|\xe1\xa0\x8e|\xe3\x85\xa4|\xef\xbe\xa0|\xe1\x85[\x9f\xa0]|\xcd\x8f|\xc2\xad){2}/",
    r"/([\xee\xef][\x80-\xbf]{2}|[\xf3\xf4][\x80-\xbf]{3}){12}/",
    r"/([\x20-\x7e]{1,4}(\xef\xb8[\x80-\x8f]|\xf3\xa0[\x80-\x87][\x80-\xbf]|\xe2\x80[\x8b-\x8f])){4}/",
)
"""Characters that nobody sees, as bytes of UTF-8."""

SHAPE_MARKS = {
    "invisible-payload": (
        *UNSEEN,
        r"/(\\u(\{0{0,2}[eE]0[01][0-9a-fA-F]{2}\}|[dD][bB]40\\u[dD][0-9a-fA-F]{3})){12}/",
        r"/(\\u\{?([fF][eE]0[0-9a-fA-F]|200[b-fB-F]|206[0-4])\}?){8}/",
    ),
    # A table that replaces itself is called where that is done: ``return (t = function () { return n })()``.
    "string-array-decoder": (
        r"/_0x[0-9a-f]{4,6}/",
        r"/=\s*(function\s*\(\s*\)\s*\{\s*return\s+[\w$]+\s*;?\s*\}|\(\s*\)\s*=>\s*[\w$]+)\s*\)\s*\(\s*\)/",
        r"/=\s*function\s*\(\s*\)\s*\{\s*return\s+[\w$]+\s*;?\s*\}\s*(;\s*return\s|,)\s*[\w$]+\s*\(\s*\)\s*[;}]/",
        r"/=\s*\(\s*\)\s*=>\s*[\w$]+\s*(;\s*return\s|,)\s*[\w$]+\s*\(\s*\)\s*[;}]/",
    ),
    "self-defending": (
        r"/\(\(\(\.\+\)\+\)\+\)\+\$/",
        r"/[\"'`]while \(true\) \{\}[\"'`]/",
        r"/[\"'`]function \*\\\\\( \*\\\\\)[\"'`]/",
    ),
    "character-code-soup": (r"/[\[\]()!+{}]{160}/",),
    "packed-code": (
        r"/(^|[^\w$.])(eval|Function)\s*\(\s*\(*\s*(async\s+)?(function\s*[\w$]*\s*\(|\([\w$,\s]*\)\s*=>)/",
    ),
    "code-out-of-sight": (
        r"/[ \t\v\f]{66}[^\s\/*]/",  # of fewer blanks, 120 columns have 18 tabs
        r"/(\t[ \v\f]{0,48}){18}[^\s\/*]/",
        r"/((\xc2\xa0|\xe3\x80\x80|\xe2\x80[\x80-\x8a\xaf])[ \t\v\f]{0,60}){2}[^\s\/*]/",
        r"/[ \t\v\f]{28,60}(\xc2\xa0|\xe3\x80\x80|\xe2\x80[\x80-\x8a\xaf])[ \t\v\f]{28,60}[^\s\/*]/",
    ),
}
"""The bytes without which a shape is not there. Those of obfuscators are of what they are known to write."""

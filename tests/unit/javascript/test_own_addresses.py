from __future__ import annotations

import pytest

from npmguard.model import FactKind
from tests.javascript_facts import names

OWN = '"0x1111111111111111111111111111111111111111"'
OTHER = '"TBXSw8fM4jpQkGc6zZjsVABFpVN7UvXPdV"'

PLANTED = {
    "as it is": f"node.textContent = {OWN}",
    "by a name": f"const a = {OWN}; field.value = a",
    "under a computed name": f'node["text" + "Content"] = {OWN}',
    "from a table, by a key": f"const t = {{ e: {OWN} }}; image.src = 'https://codes.example/?' + t[kind]",
    "from a list in a list": f"const t = [['e', [{OWN}, {OTHER}]]]; for (const [, l] of t) node.data = l[0]",
    "one of two": f"node.nodeValue = long ? text : {OWN}",
    "by default": f"node.nodeValue = text || {OWN}",
    "chosen by a function": f"const l = [{OWN}]; function f(x) {{ return l.concat(x)[0] }} node.data = f(text)",
    "chosen in a loop": f"const l = [{OWN}]; let b = l[0]; for (const e of l) if (e < b) b = e; node.data = b",
    "through a parameter": f"function put(n, t) {{ n.innerText = t }} put(node, text); put(other, {OWN})",
    "through a method's parameter": f"class A {{ put(t) {{ this.n.data = t }} run() {{ this.put({OWN}) }} }}",
    "by a member of this": f"class A {{ constructor() {{ this.a = {OWN} }} run(n) {{ n.data = this.a }} }}",
    "through a field": f"class A {{ a = {OWN}; run(n) {{ n.data = this.a }} }}",
    "in an attribute": f"image.setAttribute('src', 'https://codes.example/?' + {OWN})",
    "decoded": "node.data = atob('MHgxMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTExMTEx')",
}


@pytest.mark.parametrize("source", PLANTED.values(), ids=PLANTED.keys())
def test_an_address_of_the_code_that_is_put_into_a_page_is_told(source: str) -> None:
    assert "plants-address-in-page" in shapes(source)


KEPT = {
    "compared with": f"node.data = text === {OWN} ? 'burnt' : text",
    "a key of a table": f"const names = {{ [{OWN}]: 'Treasury' }}; node.data = names[text]",
    "another entry of a table": f"const t = {{ a: {OWN}, label: 'Treasury' }}; node.data = t.label",
    "from outside": "node.data = address",
    "put elsewhere": f"node.className = {OWN}",
    "a hash": f'node.data = "0x{"12" * 32}"',
    "an address with a wrong checksum": 'node.data = "TBXSw8fM4jpQkGc6zZjsVABFpVN7UvXPdW"',
}


@pytest.mark.parametrize("source", KEPT.values(), ids=KEPT.keys())
def test_an_address_that_is_not_shown_is_not_told(source: str) -> None:
    assert not shapes(source) & {"plants-address-in-page", "plants-address-in-text"}


@pytest.mark.parametrize(
    "source",
    [
        f"navigator.clipboard.writeText({OWN})",
        f"event.clipboardData.setData('text/plain', [{OWN}].find(test))",
        f"const {{ spawnSync: run }} = require('child_process'); run('pbcopy', {{ input: {OWN} }})",
    ],
)
def test_an_address_that_is_copied_is_told(source: str) -> None:
    assert "plants-address-in-clipboard" in shapes(source)


@pytest.mark.parametrize(
    "source",
    [
        f"text = text.replace(pattern, {OWN})",
        f"const own = {{ e: {OWN} }}; text.replaceAll(pattern, () => own.e)",
        f"text.split(found).join({OWN})",
    ],
)
def test_an_address_that_takes_the_place_of_a_text_is_told(source: str) -> None:
    assert "plants-address-in-text" in shapes(source)


@pytest.mark.parametrize(
    "source",
    [
        f"send({{ from, to: {OWN}, value }})",
        f"const to = {OWN}; send({{ from, to, value }})",
        f"const w = t => t.slice(2).padStart(64, '0'); send({{ to: token, data: '0x095ea7b3' + w({OWN}) }})",
        f"token.approve({OWN}, amount)",
        f"SystemProgram.transfer({{ fromPubkey, toPubkey: new PublicKey({OTHER}), lamports }})",
        f"contract.setApprovalForAll([{OWN}, account].find(test), true)",
        f"transaction.to = {OWN}",
    ],
)
def test_an_address_that_is_paid_or_may_spend_is_told(source: str) -> None:
    assert "pays-own-address" in shapes(source)


@pytest.mark.parametrize(
    "source",
    [
        "token.approve(spender, amount)",
        f"new Contract({OWN}, abi, provider).balanceOf(account)",
        f"provider.getBalance({OWN})",
        "export const transfer = (to, value) => send({ from, to, value })",
    ],
)
def test_an_address_that_its_caller_names_is_not_paid_by_the_code(source: str) -> None:
    assert "pays-own-address" not in shapes(source)


PUBLIC = '"0x70997970C51812dc3A010C7d01b50e0d17dc79C8"'


@pytest.mark.parametrize(
    "source",
    [
        f"send({{ from, to: {PUBLIC}, value }})",
        f"send({{ from, to: {PUBLIC.lower()}, value }})",
        f"const to = {PUBLIC}; send({{ from, to, value }})",
        f"transaction.to = {PUBLIC}",
        f"wallet.sendTransaction({{ to: {PUBLIC}, value }})",
        f"token.transfer({PUBLIC}, 1)",
    ],
)
def test_an_account_whose_key_everybody_has_is_nobodys_own_where_it_is_paid(source: str) -> None:
    assert "pays-own-address" not in shapes(source)


@pytest.mark.parametrize(
    "source",
    [
        f"send({{ from, to: test ? {PUBLIC} : {OWN}, value }})",
        f"const table = [{PUBLIC}, {OWN}]; send({{ from, to: table[at], value }})",
        f"token.approve({PUBLIC}, amount)",
        f"token.transfer({OWN}, 1, {PUBLIC})",
        f"wallet.sendTransaction({{ to: token, data: '0x095ea7b3' + {PUBLIC}.slice(2) }})",
        f"sign({{ owner, spender: {PUBLIC}, value }})",
        f"const w = t => t.slice(2).padStart(64, '0'); send({{ to: token, data: '0x095ea7b3' + w({PUBLIC}) }})",
    ],
)
def test_such_an_account_covers_no_other_and_may_not_spend(source: str) -> None:
    assert "pays-own-address" in shapes(source)


def test_such_an_account_is_an_address_like_any_other_where_it_takes_the_place_of_one() -> None:
    assert "redirects-recipient" in shapes(f"function f(t) {{ t.to = {PUBLIC}; return t }}")
    assert "plants-address-in-text" in shapes(f"text = text.replace(pattern, {PUBLIC})")


def test_a_recipient_that_is_rewritten_is_told_apart_by_whose_it_is() -> None:
    assert "redirects-recipient" in shapes(f"function f(t) {{ t.to = {OWN}; return t }}")
    assert "redirects-recipient" in shapes(f"const f = t => ({{ ...t, to: {OWN} }})")
    assert "redirects-recipient" not in shapes("const f = (t, c) => ({ ...t, to: c.address })")


@pytest.mark.parametrize(
    "amount",
    [
        "2n ** 256n - 1n",
        "2n**256n-1n",
        "(1n << 256n) - 1n",
        "2n ** 160n - 1n",
        "BigInt(2) ** BigInt(256) - BigInt(1)",
        "0xffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffn",
        "115792089237316195423570985008687907853269984665640564039457584007913129639935n",
        "ethers.constants.MaxUint256",
    ],
)
def test_an_amount_without_limit_is_told(amount: str) -> None:
    assert "unlimited-amount" in shapes(f"approve(spender, {amount})")


@pytest.mark.parametrize(
    "amount", ["10n ** 18n", "2n ** 255n - 19n", "2n ** 256n", "x ** 256n - 1n", "1n << 256n"]
)
def test_other_great_numbers_are_not(amount: str) -> None:
    assert "unlimited-amount" not in shapes(f"approve(spender, {amount})")


@pytest.mark.parametrize(
    "source",
    [
        "function f() {} f()",
        "const f = () => {}; if (ready) f()",
        "ready && f(); function f() {}",
        "(async () => {})()",
        "(function () { const f = () => {}; f() })()",
        "f().catch(() => {}); async function f() {}",
        "async function f() {} void f()",
    ],
)
def test_what_a_file_starts_by_itself_is_told(source: str) -> None:
    assert "called-on-load" in shapes(source)


@pytest.mark.parametrize(
    "source",
    [
        "function f() {} module.exports = f",
        "function f() {} exports.g = () => { f() }",
        "const x = f(); function f() {}",
        "(function (e) { e.f = 1 })(exports)",
        "(function () {})()",
        "class A {} new A()",
        "f(1); function f() {}",
        "f()",
    ],
)
def test_what_others_call_or_what_makes_a_module_is_not(source: str) -> None:
    assert "called-on-load" not in shapes(source)


def test_a_value_that_comes_from_itself_ends() -> None:
    ring = "let a = b, b = a; function f(x) { return f(x) } node.data = f(a + b)"
    assert "plants-address-in-page" not in shapes(f"{ring}; this.c = this.c; node.data = this.c")


def shapes(source: str) -> set[str]:
    return set(names(source, FactKind.SHAPE))

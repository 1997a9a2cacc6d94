from __future__ import annotations

import pytest

from npmguard.model import FactKind
from tests.javascript_facts import facts, names, read

EDIT_DISTANCES = {
    "matrix, nested Math.min": (
        "function lev(a,b){const m=[];for(let i=0;i<=b.length;i++){m[i]=[i]}for(let j=0;j<=a.length;j++){"
        "m[0][j]=j}\n"
        "for(let i=1;i<=b.length;i++){for(let j=1;j<=a.length;j++){if(b.charAt(i-1)==a.charAt(j-1)){m[i]["
        "j]=m[i-1][j-1]}else{m[i][j]=Math.min(m[i-1][j-1]+1,Math.min(m[i][j-1]+1,m[i-1][j]+1))}}}return m"
        "[b.length][a.length]}"
    ),
    "matrix, one plus Math.min": (
        "function d(a,b){const t=Array.from({length:a.length+1},(_, i)=>[i,...Array(b.length).fill(0)]);f"
        "or(let j=0;j<=b.length;j++)t[0][j]=j;\n"
        "for(let i=1;i<=a.length;i++)for(let j=1;j<=b.length;j++)t[i][j]=a[i-1]===b[j-1]?t[i-1][j-1]:1+Ma"
        "th.min(t[i-1][j],t[i][j-1],t[i-1][j-1]);return t[a.length][b.length]}"
    ),
    "matrix, characters in names": (
        "function d(s,t){var n=s.length,m=t.length,d=[];for(var i=n;i>=0;i--)d[i]=[];for(var i=n;i>=0;i--"
        ")d[i][0]=i;for(var j=m;j>=0;j--)d[0][j]=j;for(var i=1;i<=n;i++){var s_i=s.charAt(i-1);for(var j="
        "1;j<=m;j++){var t_j=t.charAt(j-1);var cost=(s_i==t_j)?0:1;var mi=d[i-1][j]+1;var b=d[i][j-1]+1;v"
        "ar c=d[i-1][j-1]+cost;if(b<mi)mi=b;if(c<mi)mi=c;d[i][j]=mi}}return d[n][m]}"
    ),
    "two rows": (
        "function d(a,b){let p=[...Array(b.length+1).keys()];for(let i=0;i<a.length;i++){const c=[i+1];fo"
        "r(let j=0;j<b.length;j++){c[j+1]=Math.min(c[j]+1,p[j+1]+1,p[j]+(a[i]!==b[j]))}p=c}return p[b.len"
        "gth]}"
    ),
    "two rows, minified": (
        "const d=(e,t)=>{let n=Array.from({length:t.length+1},((e,t)=>t));for(let r=1;r<=e.length;r++){co"
        "nst o=[r];for(let l=1;l<=t.length;l++)o[l]=Math.min(o[l-1]+1,n[l]+1,n[l-1]+(e[r-1]===t[l-1]?0:1)"
        ");n=o}return n[t.length]};"
    ),
    "two rows, nested ternaries": (
        "function d(a,b){for(var p=[],i=0;i<=b.length;i++)p[i]=i;for(var i=1;i<=a.length;i++){for(var c=["
        "i],j=1;j<=b.length;j++){var x=p[j]+1,y=c[j-1]+1,z=a.charCodeAt(i-1)===b.charCodeAt(j-1)?p[j-1]:p"
        "[j-1]+1;c[j]=x<y?x<z?x:z:y<z?y:z}p=c}return p[b.length]}"
    ),
    "two rows, ifs": (
        "function d(a,b){var p=[];for(var i=0;i<=b.length;i++)p[i]=i;for(var i=1;i<=a.length;i++){var c=["
        "i];for(var j=1;j<=b.length;j++){var v=p[j-1]+(a[i-1]===b[j-1]?0:1);if(p[j]+1<v)v=p[j]+1;if(c[j-1"
        "]+1<v)v=c[j-1]+1;c[j]=v}p=c}return p[b.length]}"
    ),
    "recursive": (
        "function lev(a,b){if(!a.length)return b.length;if(!b.length)return a.length;if(a[0]===b[0])retur"
        "n lev(a.slice(1),b.slice(1));return 1+Math.min(lev(a.slice(1),b),lev(a,b.slice(1)),lev(a.slice(1"
        "),b.slice(1)))}"
    ),
    "recursive with a memo": (
        "const dist=(a,b)=>{const memo={};const go=(i,j)=>{if(i===0)return j;if(j===0)return i;const k=i+"
        '","+j;if(memo[k]!==undefined)return memo[k];const c=a[i-1]===b[j-1]?0:1;return memo[k]=Math.min('
        "go(i-1,j)+1,go(i,j-1)+1,go(i-1,j-1)+c)};return go(a.length,b.length)}"
    ),
    "while loops": (
        "function d(a,b){let p=[],i=0;while(i<=b.length){p.push(i);i++}let r=1;while(r<=a.length){let c=["
        "r],s=1;while(s<=b.length){c.push(Math.min(p[s]+1,c[s-1]+1,p[s-1]+(a.at(r-1)===b.at(s-1)?0:1)));s"
        "++}p=c;r++}return p.at(-1)}"
    ),
    "callbacks": (
        "const d=(a,b)=>{let p=[...Array(b.length+1).keys()];[...a].forEach((x,i)=>{const c=[i+1];[...b]."
        "forEach((y,j)=>{c.push(Math.min(c[j]+1,p[j+1]+1,p[j]+(a[i]===b[j]?0:1)))});p=c});return p[b.leng"
        "th]}"
    ),
    "least by sort": (
        "function d(a,b){let p=[];for(let i=0;i<=a.length;i++){let c=[];for(let j=0;j<=b.length;j++){if(!"
        "i)c[j]=j;else if(!j)c[j]=i;else c[j]=[p[j]+1,c[j-1]+1,p[j-1]+(a[i-1]!=b[j-1])].sort((x,y)=>x-y)["
        "0]}p=c}return p[b.length]}"
    ),
    "Math.min applied": (
        "function d(a,b){let p=[];for(let i=0;i<=a.length;i++){let c=[];for(let j=0;j<=b.length;j++){if(!"
        "i)c[j]=j;else if(!j)c[j]=i;else c[j]=Math.min.apply(null,[p[j]+1,c[j-1]+1,p[j-1]+(a[i-1]!=b[j-1]"
        ")])}p=c}return p[b.length]}"
    ),
    "Math.min renamed": (
        "const{min:q}=Math;function d(a,b){let p=[];for(let i=0;i<=a.length;i++){let c=[];for(let j=0;j<="
        "b.length;j++){if(!i)c[j]=j;else if(!j)c[j]=i;else c[j]=q(p[j]+1,c[j-1]+1,p[j-1]+(a[i-1]!=b[j-1])"
        ")}p=c}return p[b.length]}"
    ),
    "names hidden": (
        "function d(a,b){let p=[];for(let i=0;i<=a.length;i++){let c=[];for(let j=0;j<=b.length;j++){if(!"
        "i)c[j]=j;else if(!j)c[j]=i;else c[j]=Math['m'+'in'](p[j]+1,c[j-1]+1,p[j-1]+(a['charCodeAt'](i-1)"
        "!=b['charCodeAt'](j-1)))}p=c}return p[b.length]}"
    ),
    "one row": (
        "function leven(first, second) {\n"
        "\tlet firstLength = first.length, secondLength = second.length;\n"
        "\tlet bCharCode, result, temporary, temporary2, index = 0, index2 = 0;\n"
        "\twhile (index < firstLength) { characterCodeCache[index] = first.charCodeAt(start + index); arra"
        "y[index] = ++index; }\n"
        "\twhile (index2 < secondLength) {\n"
        "\t\tbCharCode = second.charCodeAt(start + index2);\n"
        "\t\ttemporary = index2++;\n"
        "\t\tresult = index2;\n"
        "\t\tfor (index = 0; index < firstLength; index++) {\n"
        "\t\t\ttemporary2 = bCharCode === characterCodeCache[index] ? temporary : temporary + 1;\n"
        "\t\t\ttemporary = array[index];\n"
        "\t\t\tresult = array[index] = temporary > result ? (temporary2 > result ? result + 1 : temporary2) "
        ": (temporary2 > temporary ? temporary + 1 : temporary2);\n"
        "\t\t}\n"
        "\t}\n"
        "\treturn result;\n"
        "}\n"
        "const characterCodeCache=[],array=[],start=0;"
    ),
    "bit-parallel": (
        "const m32=(e,t)=>{const n=e.length;let i=-1,o=0,l=n;const r=1<<n-1;for(let s=0;s<t.length;s++){l"
        "et n=p[t.charCodeAt(s)];const a=n|o;n|=(n&i)+i^i;o|=~(n|i)}return l}"
    ),
}
NO_EDIT_DISTANCES = [
    (
        "function lcs(a,b){const t=[];for(let i=0;i<=a.length;i++){t[i]=[];for(let j=0;j<=b.length;j++){i"
        "f(!i||!j)t[i][j]=0;else if(a[i-1]===b[j-1])t[i][j]=t[i-1][j-1]+1;else t[i][j]=Math.max(t[i-1][j]"
        ",t[i][j-1])}}return t}"
    ),
    (
        "function find(h,n){for(let i=0;i<h.length;i++){let j=0;while(j<n.length&&h[i+j]===n[j])j++;if(j="
        "==n.length)return i}return -1}"
    ),
    (
        "function mm(a){let m=[];for(let i=0;i<a.length;i++)for(let j=0;j<a.length;j++)m[i][j]=Math.min(a"
        "[i],a[j],a[i+1]);return m}"
    ),
    ("function eq(a,b){for(let i=0;i<a.length;i++)for(let j=0;j<b.length;j++)if(a[i]===b[j])return true}"),
    (
        "function fw(d,n){for(let k=0;k<n;k++)for(let i=0;i<n;i++)for(let j=0;j<n;j++)if(d[i][k]+d[k][j]<"
        "d[i][j])d[i][j]=d[i][k]+d[k][j]}"
    ),
]
COMPARISON = "function lev(a,b){let n=0;for(let i=0;i<a.length;i++)if(a[i]!==b[i])n++;return n}"
CHOICES = [
    "const {min} = Math, f = (a, l) => { const d = l.map((x) => lev(x, a)); return l[d.indexOf(min(...d))] }",
    "const pick = (a, l) => l[n(1)]((x, y) => lev(x, a) - lev(y, a))[0]",
    "const pick = (a, l) => l['reduce']((x, y) => lev(x, a) < lev(y, a) ? x : y)",
    (
        "function pick(a,list){let best=1/0,p=null;for(const x of list){const d=lev(a,x);if(d<best){best="
        "d;p=x}}return p}"
    ),
    (
        "function pick(a,list){let best=Infinity,p;for(let i=0;i<list.length;i++){const d=lev(a.toLowerCa"
        "se(),list[i].toLowerCase());if(d<best){best=d;p=list[i]}}return p}"
    ),
    'function pick(e,t){let n=1/0,r="";for(const o of t){const t=lev(e,o);t<n&&(n=t,r=o)}return r}',
    (
        'function pick(e,t){var n,r,i,o,a;for(n=1/0,r="",i=0;i<t.length;i++)(a=lev(e,o=t[i]))<n&&(n=a,r=o'
        ");return r}"
    ),
    ("function pick(a,l){let b=l[0],m=lev(a,b);l.forEach(x=>{let d=lev(a,x);if(d<m){m=d;b=x}});return b}"),
    "const pick=(a,l)=>l.reduce((b,x)=>lev(a,x)<lev(a,b)?x:b)",
    "const pick=(a,l)=>l.reduce(function(b,x){return lev(a,b)<=lev(a,x)?b:x},l[0])",
    "const pick=(a,l)=>l.slice().sort((x,y)=>lev(a,x)-lev(a,y))[0]",
    "const pick=(a,l)=>[...l].sort(function(x,y){return lev(x,a)-lev(y,a)})[0]",
    "const pick=(a,l)=>l.map(x=>({x,d:lev(a,x)})).sort((p,q)=>p.d-q.d)[0].x",
    "const pick=(a,l)=>l.map(x=>[lev(a,x),x]).sort((p,q)=>p[0]-q[0])[0][1]",
    "const pick=(a,l)=>{const ds=l.map(x=>lev(a,x));return l[ds.indexOf(Math.min(...ds))]}",
    "const pick=(a,l)=>{const ds=l.map(x=>lev(a,x)),m=Math.min(...ds);return l[ds.indexOf(m)]}",
    "const pick=(a,l)=>l.reduce((m,x)=>{const d=lev(a,x);return d<m.d?{d,x}:m},{d:1/0}).x",
    (
        "function pick(a,l){let best={d:1/0,x:null};for(const x of l){const d=lev(a,x);if(d<best.d)best={"
        "d,x}}return best.x}"
    ),
    (
        "function pick(a,l){let best={d:1/0,x:null};for(const x of l){const d=lev(a,x);if(d<best.d){best."
        "d=d;best.x=x}}return best.x}"
    ),
    (
        "function pick(a,l){let best=0,p=null;for(const x of l){const s=1-lev(a,x)/a.length;if(s>best){be"
        "st=s;p=x}}return p}"
    ),
    (
        "function pick(a,l){let p=null,b=1/0,i=l.length;while(i--){let d=lev(a,l[i]);if(d>=b)continue;b=d"
        ";p=l[i]}return p}"
    ),
    (
        "const {distance}=require('fastest-levenshtein');function pick(a,l){let b=1/0,p;for(const x of l)"
        "{const d=distance(a,x);if(d<b){b=d;p=x}}return p}"
    ),
    (
        "const lv=require('./d');function pick(a,l){let b=1/0,p;for(const x of l){const d=lv(a,x);if(d<b)"
        "{b=d;p=x}}return p}"
    ),
]
NO_CHOICES = [
    "function merge(a, b, f) { while (a.length) out.push(f(a[0], b[0]) <= 0 ? a.shift() : b.shift()) }",
    "const u = require('./u'); while (n) if (u.getPrecedence(n) < u.getPrecedence(m)) m = n.parent;",
    "function f(l) { for (const i of kinds) { const s = sums[i](l, 4); if (s < m) { m = s; best = i } } }",
    "for (const x of l) { const n = f(r, x); if (n < -1) { m = n; p = x } } function f(r, x) { x.at(r) }",
    "function p(l){let m=0,b;for(const x of l){if(x.length>m){m=x.length;b=x}}return b}",
    "function p(l){let m=0,b;for(const x of l){const n=Math.abs(x-q);if(n<m){m=n;b=x}}return b}",
    (
        "function p(l){let m=0,b;for(const x of l){const n=size(x);if(n>m){m=n;b=x}}return b} function si"
        "ze(o){return o.w*o.h}"
    ),
    (
        "function p(l,c){let m=0,b;for(const x of l){const n=area(c,x);if(n>m){m=n;b=x}}return b} functio"
        "n area(c,o){return c*o.w*o.h}"
    ),
    "l.sort((a,b)=>a.time-b.time)",
    "l.sort((a,b)=>a.getTime()-b.getTime())",
    "for(let i=f(a,b);i<n;i++){g(i)}",
]
WRAPPED = [
    "const o=window.fetch;window.fetch=function(){return o.apply(this,arguments)}",
    "const o=window.fetch;window.fetch=async(...a)=>{const r=await o(...a);return r}",
    "const{fetch:o}=window;window.fetch=(...a)=>o(...a)",
    "const o=fetch.bind(window);globalThis.fetch=(...a)=>o(...a)",
    "window.fetch=(o=>(...a)=>o(...a))(window.fetch)",
    "(function(o){window.fetch=function(){return o.apply(this,arguments)}})(window.fetch)",
    "window.fetch=new Proxy(window.fetch,{apply(t,s,a){return Reflect.apply(t,s,a)}})",
    "const p=XMLHttpRequest.prototype,o=p.open;p.open=function(){return o.apply(this,arguments)}",
    (
        "const{open:a,send:b}=XMLHttpRequest.prototype;XMLHttpRequest.prototype.open=function(){return a."
        "apply(this,arguments)};XMLHttpRequest.prototype.send=function(){return b.apply(this,arguments)}"
    ),
    "const r=window.ethereum.request;window.ethereum.request=async function(x){return r.call(this,x)}",
    "const r=window.ethereum.request.bind(window.ethereum);window.ethereum.request=x=>r(x)",
    "const o={f:window.fetch};window.fetch=(...a)=>o.f(...a)",
    ("const orig={fetch:window.fetch,open:1};window.fetch=function(){return orig.fetch.apply(this,arguments)}"),
    "window._f=window.fetch;window.fetch=function(){return window._f.apply(this,arguments)}",
    "function hook(p){const o=p.request;p.request=function(){return o.apply(p,arguments)}}",
    "function hook(p){const{request:o}=p;p.request=(...a)=>o.apply(p,a)}",
    "function hook(p){const o=p.request.bind(p);p.request=(...a)=>o(...a)}",
    (
        "const o=window.fetch;function h(){return go(arguments)}function go(a){return o.apply(window,a)}w"
        "indow.fetch=h"
    ),
    (
        "const o=window.fetch;Object.defineProperty(window,'fetch',{value:function(){return o.apply(this,"
        "arguments)}})"
    ),
    "const o=window['fe'+'tch'];window['fe'+'tch']=function(){return Reflect.apply(o,this,arguments)}",
    "var _o;_o=window.fetch,window.fetch=function(){return _o.apply(this,arguments)}",
    "const o=window.fetch;window.fetch=async function(){return await (o.apply(this,arguments))}",
    ("class A{constructor(){const o=window.fetch;window.fetch=(...a)=>this.x(o,a)}x(o,a){return o(...a)}}"),
]
NOT_WRAPPED = [
    "window.fetch=function(){return 1}",
    "const o=window.open;window.fetch=function(){return o()}",
    "const o=window.fetch;window.fetch=function(){};o()",
    "function h(p,q){const o=q.request;p.request=function(){return o()}}",
    "X.prototype.a=function(){return this.a()}",
]
REWRITTEN = [
    'function f(tx){tx.to="0x1"}',
    "function f(e){e.params[0].to=X}",
    "function f(e){const t=e.params[0];t.to=X}",
    "function f({params:[t]}){t.to=X}",
    "function f({params}){params[0].to=X}",
    "function f(...a){a[0].params[0].to=X}",
    "function f(){arguments[0].to=X}",
    "function f(e){for(const t of e.params)t.to=X}",
    "function f(e){e.params.forEach(t=>{t.to=X})}",
    "function f(e){return send({...e,to:X})}",
    "function f(e){return g(Object.assign({},e,{to:X}))}",
    "function f(e){const t={...e.params[0]};t.to=X;return t}",
    "function f(e){e['to']=X}",
    "function f(e){e['t'+'o']=X}",
    "function f(e){Reflect.set(e,'to',X)}",
    "function f(e){e.recipient=X}",
    "function f(e){e.toPubkey=X}",
    "const f=e=>{e.destination=X}",
    "function f(e){const to=X;return {...e,to}}",
    "function f(e){const t=JSON.parse(JSON.stringify(e));t.to=X}",
    "function f(e){return{method:1,params:[{...e.params[0],to:X}]}}",
    "function f(e){Object.assign(e.params[0],{to:X})}",
]
NOT_REWRITTEN = [
    "tx.to=X",
    "function f(){const t={};t.to=X}",
    "function f(e){return {to:X}}",
    "function f(e){e.to=0}",
    "function f(e){return {to:X,...e}}",
    "function f(e){e.top=X}",
]


def shapes(code: str) -> set[str]:
    return set(names(code, FactKind.SHAPE))


@pytest.mark.parametrize("form", EDIT_DISTANCES)
def test_an_edit_distance_is_known_in_every_usual_form(form: str) -> None:
    assert shapes(EDIT_DISTANCES[form]) == {"edit-distance"}


@pytest.mark.parametrize("code", NO_EDIT_DISTANCES)
def test_other_nested_loops_are_no_edit_distance(code: str) -> None:
    assert "edit-distance" not in shapes(code)


@pytest.mark.parametrize("code", CHOICES)
def test_a_choice_of_the_most_similar_is_known_in_every_usual_form(code: str) -> None:
    assert shapes(COMPARISON + code) == {"most-similar-choice"}


@pytest.mark.parametrize("code", NO_CHOICES)
def test_other_choices_are_not_of_the_most_similar(code: str) -> None:
    assert "most-similar-choice" not in shapes(code)


@pytest.mark.parametrize("code", WRAPPED)
def test_a_hook_that_calls_what_it_replaces_is_known(code: str) -> None:
    assert shapes(code) == {"wraps-original"}


@pytest.mark.parametrize("code", NOT_WRAPPED)
def test_a_replacement_that_does_not_call_the_original_wraps_nothing(code: str) -> None:
    assert not shapes(code)


@pytest.mark.parametrize("code", REWRITTEN)
def test_rewriting_the_recipient_of_a_parameter_is_known(code: str) -> None:
    assert shapes(code) == {"rewrites-recipient"}


@pytest.mark.parametrize("code", NOT_REWRITTEN)
def test_other_recipients_are_not_rewritten(code: str) -> None:
    assert not shapes(code)


def test_a_wrapping_tells_the_function_that_wraps() -> None:
    code = "const o = window.fetch; window.fetch = function () { return o.apply(this, arguments) }"
    shape = facts(code, FactKind.SHAPE)[0]
    assert shape.target is not None
    span = read(code).functions[shape.target]
    assert code[span.start : span.end] == "function () { return o.apply(this, arguments) }"


def test_the_shape_of_a_real_library_is_found() -> None:
    code = """
    function editDistance(a, b) {
      if (Math.abs(a.length - b.length) > 3) return Math.max(a.length, b.length);
      const d = [];
      for (let i = 0; i <= a.length; i++) d[i] = [i];
      for (let j = 0; j <= b.length; j++) d[0][j] = j;
      for (let j = 1; j <= b.length; j++) {
        for (let i = 1; i <= a.length; i++) {
          let cost = 1;
          if (a[i - 1] === b[j - 1]) cost = 0;
          d[i][j] = Math.min(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + cost);
        }
      }
      return d[a.length][b.length];
    }
    function suggest(word, candidates) {
      let similar = [];
      let bestDistance = 3;
      candidates.forEach((candidate) => {
        const distance = editDistance(word, candidate);
        if (distance < bestDistance) {
          bestDistance = distance;
          similar = [candidate];
        }
      });
      return similar;
    }
    """
    assert shapes(code) == {"edit-distance", "most-similar-choice"}

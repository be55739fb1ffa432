"""The page to type a text into: one file, nothing from elsewhere, and nothing in it is taken for markup."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from html import escape

STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 40rem; margin: 2rem auto; padding: 0 1rem; }
textarea { width: 100%; box-sizing: border-box; font: inherit; padding: .5rem; }
button { font: inherit; margin: .5rem 0; padding: .3rem 1rem; }
table { border-collapse: collapse; width: 100%; }
th { text-align: left; font-weight: normal; } td { width: 50%; } meter { width: 100%; }
tr:first-child th { font-weight: bold; }
"""

SCRIPT = """
const form = document.querySelector("form"), said = document.querySelector("output");
function row(name, share) {
  const line = document.createElement("tr"), head = document.createElement("th"), cell = document.createElement("td");
  const bar = document.createElement("meter"), number = document.createElement("td");
  head.textContent = name; bar.value = share; number.textContent = (100 * share).toFixed(1) + " %";
  cell.append(bar); line.append(head, cell, number);
  return line;
}
form.addEventListener("submit", async event => {
  event.preventDefault();
  said.textContent = "…";
  try {
    const asked = JSON.stringify({ texts: [form.elements.text.value] });
    const headers = { "Content-Type": "application/json" };
    const reply = await fetch("predict", { method: "POST", headers, body: asked });
    const told = await reply.json();
    if (!reply.ok) throw new Error(told.error || reply.statusText);
    const shares = Object.entries(told.answers[0].probabilities).sort((a, b) => b[1] - a[1]);
    const table = document.createElement("table");
    table.append(...shares.map(([name, share]) => row(name, share)));
    said.replaceChildren(table);
  } catch (error) {
    said.textContent = "Error: " + error.message;
  }
});
form.elements.text.addEventListener("keydown", event => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
});
"""

PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{name}</title>
<style>{style}</style></head>
<body>
<h1>{name}</h1>
<p>Tells {classes} apart.</p>
<form>
<label for="text">Text</label>
<textarea id="text" name="text" rows="8" required autofocus></textarea>
<button>Predict</button>
</form>
<output aria-live="polite"></output>
<noscript>This page needs JavaScript; <code>POST /predict</code> does not.</noscript>
<script>{script}</script>
</body>
</html>
"""


def _hash(text: str) -> str:
    return "'sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() + "'"


HEADERS = {
    "Content-Security-Policy": (
        f"default-src 'none'; connect-src 'self'; script-src {_hash(SCRIPT)}; style-src {_hash(STYLE)}; "
        "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
"""The browser runs our script and no other, and talks to nobody but the server."""


def page(name: str, classes: Sequence[str]) -> str:
    """HTML for one model."""
    named = ", ".join(f"<em>{escape(known)}</em>" for known in classes)
    return PAGE.format(name=escape(name), classes=named, style=STYLE, script=SCRIPT)

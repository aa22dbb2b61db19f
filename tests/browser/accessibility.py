"""Basic checks of accessibility, written by hand: names, landmarks, headings, language, contrast (WCAG 2.2, AA)."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

# In the page: what is wrong, as texts. Contrast by WCAG 2.2's relative luminance; 4.5 for text, 3 for large text.
_CHECKS = r"""
() => {
  const wrong = [];
  const visible = (element) => element.checkVisibility({ checkVisibilityCSS: true, checkOpacity: true });
  if (!document.documentElement.lang) wrong.push("the page has no language");
  if (!document.title) wrong.push("the page has no title");
  if (document.querySelectorAll("main").length !== 1) wrong.push("not exactly one main landmark");
  const levels = [...document.querySelectorAll("h1,h2,h3")].filter(visible).map((item) => Number(item.tagName[1]));
  if (levels.filter((level) => level === 1).length !== 1) wrong.push("not exactly one h1");
  if (levels.some((level, place) => place && level > levels[place - 1] + 1)) wrong.push("a heading level is skipped");
  const ids = [...document.querySelectorAll("[id]")].map((item) => item.id);
  if (new Set(ids).size !== ids.length) wrong.push("an id stands twice");
  for (const element of document.querySelectorAll("[aria-labelledby],[aria-describedby]")) {
    for (const name of ["aria-labelledby", "aria-describedby"]) {
      for (const id of (element.getAttribute(name) || "").split(" ").filter(Boolean)) {
        if (!document.getElementById(id)) wrong.push(`${name} points to nothing: ${id}`);
      }
    }
  }
  const speaking = "a,button,input,select,textarea,svg[role=img],img,progress,[role=region]";
  for (const element of document.querySelectorAll(speaking)) {
    const label = element.labels && element.labels.length ? element.labels[0].textContent : "";
    const named = element.getAttribute("aria-label") || element.getAttribute("aria-labelledby") || label;
    const silent = element.tagName === "IMG" && element.getAttribute("alt") === "";
    if (!visible(element) || silent || (named || element.textContent).trim()) continue;
    wrong.push(`no name: ${element.outerHTML.slice(0, 80)}`);
  }
  const parse = (text) => (text.match(/[\d.]+/g) || []).map(Number);
  const light = ([red, green, blue]) => {
    const part = (value) => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    return 0.2126 * part(red) + 0.7152 * part(green) + 0.0722 * part(blue);
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const color = parse(getComputedStyle(at).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  let measured = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.nodeValue.trim();
    if (!text || !visible(element) || element.closest("script,template,noscript,.visually-hidden")) continue;
    const style = getComputedStyle(element);
    const [one, two] = [light(parse(style.color)), light(ground(element))].sort((a, b) => b - a);
    const size = parseFloat(style.fontSize);
    const enough = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    measured += 1;
    const contrast = (one + 0.05) / (two + 0.05);
    if (contrast < enough) wrong.push(`contrast ${contrast.toFixed(2)}: ${text.slice(0, 40)}`);
  }
  return { wrong, measured };
}
"""
TEXTS_AT_LEAST = 5


def check_page(page: Page) -> None:
    """Fail with all that is wrong with what is visible now."""
    found: dict[str, Any] = page.evaluate(_CHECKS)
    assert found["wrong"] == []
    assert found["measured"] >= TEXTS_AT_LEAST, "nothing was measured"

"""The page in each state: on a screen, on a telephone, in the dark. Pictures are kept in .ui."""

from __future__ import annotations

import pytest

from mailpartner_provider.ui.page import render
from tests.campaigns.ui.browser import PICTURES
from tests.campaigns.ui.states import states

SCREENS = {"screen": (1100, "light"), "telephone": (390, "light"), "dark": (1100, "dark")}

#: The texts whose contrast with what is behind them is less than people with weak eyes can read.
PALE = """() => {
  const numbers = colour => colour.match(/[\\d.]+/g).map(Number);
  const light = colour => {
    const [r, g, b] = numbers(colour).slice(0, 3).map(part => part / 255).map(
      part => part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = element => {
    for (let each = element; each; each = each.parentElement) {
      const colour = getComputedStyle(each).backgroundColor;
      if (numbers(colour)[3] !== 0) return colour;
    }
  };
  return [...document.querySelectorAll("body *")].filter(element =>
    [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim())
    && element.checkVisibility() && !element.closest("svg")
  ).filter(element => {
    const [one, other] = [light(getComputedStyle(element).color), light(behind(element))];
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05) < 4.5;
  }).map(element => element.textContent.trim());
}"""


@pytest.fixture(scope="module", params=SCREENS)
def screen(request, browser):
    """A page of the browser of each size and colour, and its name."""
    width, scheme = SCREENS[request.param]
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    yield page, request.param
    page.close()


@pytest.mark.parametrize("state", states())
def test_state(screen, state):
    """No part of the page is wider than the screen, every text can be read, and the keyboard
    reaches every link and every part that scrolls."""
    page, name = screen
    page.set_content(render(states()[state]))
    page.screenshot(path=PICTURES / "states" / f"{state}-{name}.png", full_page=True)

    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    assert [] == page.evaluate(PALE)
    levels = page.locator("h1, h2, h3").evaluate_all("all => all.map(each => each.tagName)")
    assert ["H1", *["H2"] * (len(levels) - 1)] == levels
    scrolling = page.locator(".scroll").count()
    assert scrolling == page.locator(".scroll[tabindex='0'][aria-label]").count()
    assert page.locator("a").count() == page.locator("a[href]:not([tabindex='-1'])").count()

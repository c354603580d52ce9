// Refreshes the part of the page that changes, and says so when it cannot.
"use strict";

(() => {
  const region = document.getElementById("live");
  const stale = document.getElementById("stale");
  const address = region.dataset.live;
  const everyMilliseconds = 2000;
  let last = new Date();

  const tell = () => {
    stale.querySelector("p").textContent =
      "No answer since " + last.toLocaleTimeString() + ". What is shown below may be out of date.";
    stale.hidden = false;
  };

  // Replaces only what differs, so that a screen reader, a selection and the focus are left alone.
  const update = (old, fresh) => {
    if (old.isEqualNode(fresh)) {
      return;
    }
    const sameElement = old.nodeType === Node.ELEMENT_NODE && fresh.nodeType === Node.ELEMENT_NODE
      && old.tagName === fresh.tagName && old.id === fresh.id;
    if (!sameElement || old.childNodes.length !== fresh.childNodes.length) {
      old.replaceWith(fresh);
      return;
    }
    for (const name of old.getAttributeNames()) {
      if (!fresh.hasAttribute(name)) {
        old.removeAttribute(name);
      }
    }
    for (const name of fresh.getAttributeNames()) {
      if (old.getAttribute(name) !== fresh.getAttribute(name)) {
        old.setAttribute(name, fresh.getAttribute(name));
      }
    }
    const freshChildren = Array.from(fresh.childNodes);
    Array.from(old.childNodes).forEach((child, index) => update(child, freshChildren[index]));
  };

  const refresh = async () => {
    try {
      const answer = await fetch(address, {redirect: "manual", signal: AbortSignal.timeout(10000)});
      if (answer.type === "opaqueredirect") {
        location.reload();
        return;
      }
      if (!answer.ok) {
        throw new Error(String(answer.status));
      }
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = document.createElement("div");
      for (const {name, value} of region.attributes) {
        fresh.setAttribute(name, value);
      }
      fresh.append(...page.body.childNodes);
      const children = region.childNodes.length;
      if (children !== fresh.childNodes.length) {
        region.replaceChildren(...fresh.childNodes);
      } else {
        update(region, fresh);
      }
      document.title = document.getElementById("summary").dataset.title;
      stale.hidden = true;
      last = new Date();
    } catch {
      tell();
    }
    setTimeout(refresh, everyMilliseconds);
  };

  setTimeout(refresh, everyMilliseconds);
})();

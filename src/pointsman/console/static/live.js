// Keeps regions of a page fresh. A region is an element with data-live, the address of its fresh content, and, where
// that is not the usual pace, data-every in milliseconds. What is inside is changed, not replaced: children with
// data-key or an id stay the same elements. They keep their places, so that nothing slips from under a pointer, but where
// data-ranked says that the order is news too. What the reader opened, ticked, hid or sorted stays so; while somebody
// writes or selects text in a region it stands still, and so it does while the page is paused. A hidden tab asks nothing.
"use strict";

(() => {
  const usualPace = 2000;
  const stale = document.getElementById("stale");
  const pause = document.getElementById("live-pause");
  const silent = new Set();
  const paused = () => pause.getAttribute("aria-pressed") === "true";

  const keyOf = (node) => (node.nodeType === Node.ELEMENT_NODE ? node.dataset.key || node.id : "");

  const keyed = (parent) => parent.children.length > 0 && Array.from(parent.children).every(keyOf);

  // The space between elements is not the same in a page and in a part of it.
  const partsOf = (node) => Array.from(node.childNodes)
    .filter((child) => child.nodeType !== Node.TEXT_NODE || child.data.trim());

  const ranked = (parent) => {
    const table = parent.closest("table[data-sortable]");
    return parent.closest("[data-ranked]") && !(table && table.querySelector("th[aria-sort]"));
  };

  const updateKeyed = (old, fresh) => {
    const known = new Map(Array.from(old.children, (child) => [keyOf(child), child]));
    const moves = ranked(old);
    let last = null;
    for (const child of Array.from(fresh.children)) {
      const held = known.get(keyOf(child));
      known.delete(keyOf(child));
      const stays = held ? update(held, child) : child;
      const next = last ? last.nextElementSibling : old.firstElementChild;
      // Only what is out of its order moves: a row that stays keeps the focus.
      if (!held || (moves && next !== stays)) {
        old.insertBefore(stays, next);
      }
      last = stays;
    }
    known.forEach((child) => child.remove());
  };

  // Replaces only what differs, so that a screen reader, a selection and the focus are left alone; gives what is there
  // then.
  const update = (old, fresh) => {
    if (old.isEqualNode(fresh)) {
      return old;
    }
    const sameElement = old.nodeType === Node.ELEMENT_NODE && fresh.nodeType === Node.ELEMENT_NODE
      && old.tagName === fresh.tagName && keyOf(old) === keyOf(fresh);
    if (!sameElement) {
      old.replaceWith(fresh);
      return fresh;
    }
    const own = old.tagName === "DETAILS" ? "open" : "hidden";  // what the reader did is the reader's
    for (const name of old.getAttributeNames()) {
      if (!fresh.hasAttribute(name) && name !== own && name !== "data-current") {
        old.removeAttribute(name);
      }
    }
    for (const name of fresh.getAttributeNames()) {
      if (old.getAttribute(name) !== fresh.getAttribute(name) && name !== own) {
        old.setAttribute(name, fresh.getAttribute(name));
      }
    }
    if (keyed(old) && keyed(fresh)) {
      updateKeyed(old, fresh);
      return old;
    }
    const [oldParts, freshParts] = [partsOf(old), partsOf(fresh)];
    if (oldParts.length !== freshParts.length) {
      old.replaceChildren(...fresh.childNodes);
      return old;
    }
    oldParts.forEach((child, index) => update(child, freshParts[index]));
    return old;
  };

  // A row that moves, or whose cells are made anew, loses the focus: it is given back to what is in its place.
  const holding = (region) => {
    const focused = document.activeElement;
    const row = focused && region.contains(focused) ? focused.closest("[data-key]") : null;
    if (!row) {
      return () => {};
    }
    const among = "a, button, input, summary";
    const place = Array.from(row.querySelectorAll(among)).indexOf(focused);
    const key = row.dataset.key;
    return () => {
      if (document.activeElement !== focused || !focused.isConnected) {
        const found = region.querySelector(`[data-key="${CSS.escape(key)}"]`);
        const target = found && found.querySelectorAll(among)[place];
        if (target) {
          target.focus({preventScroll: true});
        }
      }
    };
  };

  const busy = (region) => {
    const at = document.activeElement;
    if (region.contains(at) && at.matches("input:not([type=checkbox]), select, textarea")) {
      return true;
    }
    const selected = document.getSelection();
    return !selected.isCollapsed && selected.rangeCount > 0 && selected.getRangeAt(0).intersectsNode(region);
  };

  // The light in the frame and the icon of the tab tell the same as the part that was just refreshed.
  const shine = (told) => {
    const light = document.getElementById("light");
    const icon = document.querySelector("link[rel=icon]");
    if (!told || !light) {
      return;
    }
    const [mark, ...words] = told.split(" ");
    const shown = light.querySelector(".state");
    const word = decodeURIComponent(words.join(" "));
    if (shown.lastChild.textContent !== word) {
      light.className = "light " + mark;
      shown.className = "state " + mark;
      shown.querySelector(".mark").className = "mark " + mark;
      shown.lastChild.textContent = word;
    }
    const address = icon.getAttribute("data-" + mark);
    if (address && icon.getAttribute("href") !== address) {
      icon.href = address;
    }
  };

  // One banner for all regions of the page, there while any of them has no answer.
  const tell = (region, last) => {
    silent.add(region);
    stale.querySelector("p").textContent =
      say("No answer since {time}. What is shown below may be out of date.", {time: last.toLocaleTimeString()});
    stale.hidden = false;
  };

  const settle = (region) => {
    silent.delete(region);
    stale.hidden = silent.size === 0;
  };

  const watch = (region) => {
    const pace = Number(region.dataset.every) || usualPace;
    let last = new Date();
    let waiting = 0;
    let asked = 0;

    // Whoever asks again, because another order or filter is wanted, gets an answer to that and to nothing before it.
    // A hidden tab asks only when there is news of trouble, for its title and icon.
    const refresh = async ({wanted = false, news = false} = {}) => {
      clearTimeout(waiting);
      asked += 1;
      const mine = asked;
      if ((document.hidden && !news) || (paused() && !wanted)) {
        return;
      }
      try {
        const answer = await fetch(region.dataset.live, {
          headers: wanted ? {} : {"Pointsman-Unasked": "yes"},  // it keeps no session alive
          redirect: "manual",
          signal: AbortSignal.timeout(10000),
        });
        if (answer.type === "opaqueredirect") {
          location.reload();
          return;
        }
        if (!answer.ok) {
          throw new Error(String(answer.status));
        }
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        if (mine !== asked) {
          return;
        }
        if (!busy(region)) {
          const fresh = region.cloneNode(false);
          fresh.append(...page.body.childNodes);
          const restore = holding(region);
          update(region, fresh);
          restore();
        }
        shine(answer.headers.get("Pointsman-Light"));
        const titled = region.querySelector("[data-title]");
        if (titled) {
          document.title = titled.dataset.title;
        }
        settle(region);
        last = new Date();
      } catch {
        if (mine === asked) {
          tell(region, last);
        }
      }
      if (mine === asked) {
        waiting = setTimeout(refresh, pace);
      }
    };

    document.addEventListener("visibilitychange", () => refresh());
    let told = 0;
    document.addEventListener("pointsman-news", () => {
      clearTimeout(told);
      told = setTimeout(() => refresh({news: true}), pace);  // by then what is shown is newer than the news
    });
    pause.addEventListener("click", () => refresh());
    waiting = setTimeout(refresh, pace);
    return refresh;
  };

  pause.hidden = false;

  for (const region of document.querySelectorAll("[data-live]")) {
    const refresh = watch(region);
    const narrow = document.querySelector("form[data-narrow]");

    // Another order or filter is another address: it is shown without loading the page again.
    const follow = (query) => {
      history.replaceState(null, "", location.pathname + query);
      region.dataset.live = region.dataset.live.split("?")[0] + query;
      for (const link of document.querySelectorAll("a[data-follows]")) {
        link.setAttribute("href", link.dataset.follows + query);
      }
      for (const field of document.querySelectorAll("input[data-here]")) {
        field.value = location.pathname + query;
      }
      if (narrow) {
        const sort = new URLSearchParams(query).get("sort");
        let field = narrow.querySelector("input[name=sort]");
        if (sort && !field) {
          field = document.createElement("input");
          field.type = "hidden";
          field.name = "sort";
          narrow.prepend(field);
        }
        if (field) {
          field.value = sort || "name";
        }
      }
      refresh({wanted: true});
    };

    region.addEventListener("click", (event) => {
      const link = event.target.closest("a[data-sorts]");
      if (link && !event.ctrlKey && !event.metaKey && !event.shiftKey) {
        event.preventDefault();
        follow(new URL(link.href).search);
      }
    });

    if (narrow) {
      const narrowed = () => "?" + new URLSearchParams(new FormData(narrow)).toString();
      let typing = 0;
      narrow.addEventListener("input", () => {
        clearTimeout(typing);
        typing = setTimeout(() => follow(narrowed()), 200);
      });
      narrow.addEventListener("submit", (event) => {
        event.preventDefault();
        event.stopPropagation();
        follow(narrowed());
      });
    }
  }
})();

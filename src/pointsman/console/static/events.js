// Follows the event log: new rows come on top of the table, until somebody pauses that or the session ends.
"use strict";

(() => {
  const card = document.querySelector("[data-tail]");
  if (!card || !window.EventSource) {
    return;
  }
  const body = card.querySelector("tbody");
  const told = document.getElementById("tail-state");
  const button = document.getElementById("tail-pause");
  const mostRows = 500;
  let source = null;
  let last = "";
  let count = 0;

  const say = (text) => {
    told.textContent = text;
  };

  const rowsOf = (text) => {
    const page = new DOMParser().parseFromString("<table><tbody>" + text + "</tbody></table>", "text/html");
    return Array.from(page.querySelectorAll("tr"));
  };

  const take = (message) => {
    last = message.lastEventId;
    const rows = rowsOf(message.data);
    rows.forEach((row) => row.classList.add("fresh"));
    body.prepend(...rows);
    const empty = card.querySelector(".empty");
    if (empty) {
      empty.remove();
    }
    while (body.rows.length > mostRows) {
      body.deleteRow(-1);
    }
    count += rows.length;
    say("Live, " + count + " new");
  };

  const stop = (text) => {
    source.close();
    source = null;
    say(text);
    button.textContent = "Follow";
  };

  const follow = () => {
    const address = new URL(card.dataset.tail, location.href);
    if (last) {
      address.searchParams.set("after", last);
    }
    source = new EventSource(address);
    button.textContent = "Pause";
    source.addEventListener("open", () => say(count ? "Live, " + count + " new" : "Live"));
    source.addEventListener("message", take);
    source.addEventListener("end", () => stop("Not live: the session or the traffic manager ended. Reload the page."));
    source.addEventListener("error", () => {
      if (source && source.readyState === EventSource.CLOSED) {
        stop("Not live: the log cannot be followed. Reload the page.");
      } else if (source) {
        say("Not live: trying again");
      }
    });
  };

  button.hidden = false;
  button.addEventListener("click", () => {
    if (source) {
      stop("Paused");
    } else {
      follow();
    }
  });
  window.addEventListener("pagehide", () => source && source.close());
  follow();
})();

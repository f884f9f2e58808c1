"use strict";
// Renews what has changed since the server last said it, and leaves alone what is in use.
// Without it the page works too: it is loaded anew now and then.

const PERIOD_MS = 2000;
const sent = new Map(); // by id: the HTML of each row as the server sent it

// A click on a picture plays the video in its place. Other clicks on it follow the link.
document.addEventListener("click", (event) => {
  const link = event.target.closest("a.play");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  const video = document.createElement("video");
  video.className = "picture";
  video.controls = video.autoplay = true;
  video.setAttribute("aria-label", link.textContent.trim());
  video.src = link.href;
  link.replaceWith(video);
  video.focus();
});

function isInUse(row) {
  return [...row.querySelectorAll("video")].some((video) => !video.ended && !video.error)
    || row.querySelector("a:focus-visible") !== null;
}

// Rows come and go, and never change places: none has to be moved, which would end what it plays.
function renewRows(list, fresh) {
  const wanted = new Set([...fresh.children].map((row) => row.id));
  for (const row of [...list.children]) {
    if (wanted.has(row.id) || isInUse(row)) continue;
    sent.delete(row.id);
    row.remove();
  }
  let place = list.firstElementChild;
  for (const row of [...fresh.children]) {
    const old = document.getElementById(row.id);
    const html = row.outerHTML;
    if (old === null) {
      list.insertBefore(row, place);
    } else {
      place = old.nextElementSibling;
      if (html === sent.get(row.id) && !old.querySelector("video") || isInUse(old)) continue;
      old.replaceWith(row);
    }
    sent.set(row.id, html);
  }
}

async function renew() {
  const answer = await fetch(location.href, { cache: "no-store" });
  if (!answer.ok) throw new Error(answer.status);
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  if (!getSelection().isCollapsed) return; // somebody copies an id
  for (const live of document.querySelectorAll("[data-live]")) {
    const now = fresh.getElementById(live.id);
    if (live.dataset.live === "rows") renewRows(live, now);
    else if (live.innerHTML !== now.innerHTML && !live.contains(document.activeElement))
      live.replaceChildren(...now.childNodes);
  }
}

async function keepRenewing() {
  const silent = document.getElementById("silent");
  try {
    if (!document.hidden) await renew();
    silent.textContent = "";
  } catch {
    silent.textContent = "The sandbox does not answer; what stands here is from before.";
  }
  setTimeout(keepRenewing, PERIOD_MS);
}

for (const row of document.getElementById("live-rows").children) sent.set(row.id, row.outerHTML);
setTimeout(keepRenewing, PERIOD_MS);

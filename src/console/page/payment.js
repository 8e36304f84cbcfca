/** A payment's own page, made of the JSON that is in it. */
import { byId, element, storyOf } from "./words.js";

const shown = byId("shown");
const payment = JSON.parse(shown.textContent);
document.title = `Payment ${payment.correlationId} · Galo`;
const title = element("h1", ["Payment ", element("code", payment.correlationId)]);
shown.replaceWith(element("main", [title, ...storyOf(payment)]));

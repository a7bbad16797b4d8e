"use strict";

// Nothing is asked of other hosts: no validator badge, and the document is this server's own.
window.addEventListener("DOMContentLoaded", () => {
  window.SwaggerUIBundle({ url: "/openapi.json", dom_id: "#reference", deepLinking: true, validatorUrl: null });
});

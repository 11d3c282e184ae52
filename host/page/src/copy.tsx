// A line or a program to copy.

import { useState } from "preact/hooks";

export function Code({ code, label }: { code: string; label: string }) {
  const [isCopied, setCopied] = useState(false);
  const copy = () => {
    navigator.clipboard.writeText(code).then(
      () => {
        setCopied(true);
        setTimeout(() => setCopied(false), 1_500);
      },
      () => undefined,
    );
  };
  // Browsers have a clipboard only for https and loopback addresses.
  const canCopy = "clipboard" in navigator;
  return (
    <div class="snippet">
      <pre tabIndex={0} aria-label={label}><code>{code}</code></pre>
      {canCopy && (
        <button type="button" class="small corner" onClick={copy} aria-label={`Copy ${label}`}>
          <span aria-live="polite">{isCopied ? "Copied" : "Copy"}</span>
        </button>
      )}
    </div>
  );
}

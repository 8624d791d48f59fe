-- name: sold_count
-- promise: Every lead counts as many sales as there are, and never more than it may be sold.
SELECT l.id AS lead_id, l.workspace_id, l.sold_count, l.max_sales, coalesce(i.sales, 0) AS sales
FROM leads l
FULL JOIN (SELECT lead_id, count(*) AS sales FROM purchase_items GROUP BY lead_id) i ON i.lead_id = l.id
WHERE l.id IS NULL OR l.sold_count <> coalesce(i.sales, 0) OR coalesce(i.sales, 0) > l.max_sales
ORDER BY l.id;
